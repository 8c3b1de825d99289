//! `--plate-denoise` and what goes with it.

use clap::Args;

/// How plates are made clean before they are read.
#[derive(Debug, Args)]
pub(super) struct Denoise {
    /// Make each plate clean before it is read: non-local means, then contrast and edges; for dark and noisy videos
    /// [env: FRAMERILL_PLATE_DENOISE, PLATE_DENOISE]
    #[arg(long)]
    plate_denoise: bool,
    /// With --plate-denoise: how strong lightness is smoothed, 0 to 100 [default: 8]
    /// [env: FRAMERILL_PLATE_DENOISE_H, PLATE_DENOISE_H]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    plate_denoise_h: Option<String>,
    /// With --plate-denoise: the same of colours [default: 8]
    /// [env: FRAMERILL_PLATE_DENOISE_HCOLOR, PLATE_DENOISE_HCOLOR]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    plate_denoise_hcolor: Option<String>,
    /// With --plate-denoise: contrast and edges, too [default: 1] [env: FRAMERILL_PLATE_DENOISE_ENHANCE, PLATE_DENOISE_ENHANCE]
    #[arg(long, value_name = "0|1")]
    plate_denoise_enhance: Option<String>,
    /// With --plate-denoise: save the first plates as PNG in this folder, before and after
    /// [env: FRAMERILL_PLATE_DENOISE_DEBUG_SAVE, PLATE_DENOISE_DEBUG_SAVE]
    #[arg(long, value_name = "DIR")]
    plate_denoise_debug_save: Option<String>,
}

impl Denoise {
    /// Settings by the names of their flags.
    pub(super) fn flags(self) -> [(&'static str, Option<String>); 5] {
        let on = self.plate_denoise.then(|| "true".to_owned());
        [
            ("--plate-denoise", on),
            ("--plate-denoise-h", self.plate_denoise_h),
            ("--plate-denoise-hcolor", self.plate_denoise_hcolor),
            ("--plate-denoise-enhance", self.plate_denoise_enhance),
            ("--plate-denoise-debug-save", self.plate_denoise_debug_save),
        ]
    }
}
