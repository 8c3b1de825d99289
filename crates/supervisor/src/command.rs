//! What is started as a child, and how.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{self, Stdio},
};

use crate::{isolation::Namespace, launch, usage::Limits};

/// What to start as a child. It finds the control socket as descriptor 0; its stdout joins its stderr.
#[derive(Clone, Debug)]
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    cwd: Option<PathBuf>,
    namespace: Namespace,
    launcher: Option<PathBuf>,
    oom_raise: u16,
    limits: Limits,
}

impl Command {
    /// `program` is looked up in `PATH` if it has no slash; a relative path counts from the child's own folder.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            namespace: Namespace::None,
            launcher: None,
            oom_raise: 0,
            limits: Limits::default(),
        }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().into()));
        self
    }

    /// A variable beside those that the child inherits.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((key.as_ref().into(), Some(value.as_ref().into())));
        self
    }

    /// A variable that the child does not inherit.
    #[must_use]
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().into(), None));
        self
    }

    /// The folder the child starts in.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// The pid namespace it gets, as [`crate::isolation::probe`] found it. Default none.
    #[must_use]
    pub fn namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = namespace;
        self
    }

    /// The executable whose `launch` subcommand is [`launch::main`]. Default: this process's own.
    #[must_use]
    pub fn launcher(mut self, executable: impl Into<PathBuf>) -> Self {
        self.launcher = Some(executable.into());
        self
    }

    /// How much sooner than its parent the kernel is to end it, and all that it starts, where memory runs out: what is
    /// added to the parent's own `oom_score_adj`, of which a thousand stand for all the memory there is. Default 0.
    #[must_use]
    pub fn oom_raise(mut self, by: u16) -> Self {
        self.oom_raise = by;
        self
    }

    /// How much it may take, with all that it starts. What is more is told to its owner, who kills it; what grows faster than
    /// anybody looks meets a bound of the kernel's ([`launch`]). Default no limit.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn its_limits(&self) -> Limits {
        self.limits
    }

    /// What is started, for messages.
    #[must_use]
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    /// The shim that becomes this command, with `control` as descriptor 0, pipes for stdout (the shim's own record) and
    /// stderr, and a process group of its own.
    pub(crate) fn to_shim(&self, control: OwnedFd) -> io::Result<process::Command> {
        let launcher = match &self.launcher {
            Some(path) => path.clone(),
            None => launch::own_executable()?,
        };
        let mut shim = process::Command::new(launcher);
        shim.args(launch::shim_args(
            self.namespace,
            self.oom_raise,
            &self.limits,
        ))
        .arg(&self.program)
        .args(&self.args)
        .stdin(Stdio::from(control))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
        for (key, value) in &self.env {
            match value {
                Some(value) => shim.env(key, value),
                None => shim.env_remove(key),
            };
        }
        if let Some(cwd) = self.cwd.as_deref().filter(|cwd| *cwd != Path::new("")) {
            shim.current_dir(cwd);
        }
        Ok(shim)
    }
}
