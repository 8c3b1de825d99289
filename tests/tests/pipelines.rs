//! Packages of pipelines as users meet them: installed into environments of their own, found there, run and served. Every
//! wheel is made here, and no index is asked.

#[path = "pipelines/install.rs"]
mod install;
#[path = "pipelines/list.rs"]
mod list;
#[path = "pipelines/names.rs"]
mod names;
#[path = "pipelines/rig.rs"]
mod rig;
#[path = "pipelines/start.rs"]
mod start;
#[path = "pipelines/versions.rs"]
mod versions;
