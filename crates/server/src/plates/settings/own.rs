//! Stages of a user's own, as `--stage` names them.

use std::collections::BTreeMap;

use framerill_plates::category::Category;

/// What a stage of a user's own can do.
const OWN: [Category; 2] = [Category::PlateDetect, Category::Ocr];

/// Whether a target of `--stage` is a program, not a class: a path without a colon.
pub(in crate::plates) fn is_program(target: &str) -> bool {
    let is_script = target.to_ascii_lowercase().ends_with(".py");
    target.contains('/') && !target.contains(':') && !is_script
}

/// `CATEGORY=TARGET`, several of them by commas.
pub(super) fn own_stages(text: &str) -> Option<BTreeMap<Category, String>> {
    let one = |text: &str| {
        let (category, target) = text.trim().split_once('=')?;
        let category = category.trim().parse().ok().filter(|it| OWN.contains(it))?;
        let target = target.trim();
        let mut parts = target.rsplit_once(':').into_iter();
        let is_class = parts.any(|(path, class)| !path.is_empty() && !class.is_empty());
        (is_class || is_program(target)).then(|| (category, target.to_owned()))
    };
    let all: Option<Vec<_>> = text.split(',').map(one).collect();
    let all = all?;
    let count = all.len();
    let stages: BTreeMap<_, _> = all.into_iter().collect();
    (stages.len() == count).then_some(stages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_of_ones_own_is_a_category_and_a_class() {
        let program = own_stages("ocr=target/debug/mine").unwrap();
        assert_eq!(program[&Category::Ocr], "target/debug/mine");
        assert!(is_program(&program[&Category::Ocr]) && !is_program("./a b.py:Mine"));
        let stages = own_stages("ocr=./a b.py:Mine, plate_yolo=pkg.mod:B").unwrap();
        let expected = [
            (Category::PlateDetect, "pkg.mod:B".to_owned()),
            (Category::Ocr, "./a b.py:Mine".to_owned()),
        ];
        assert_eq!(stages, BTreeMap::from(expected));
        for wrong in [
            "",
            "ocr",
            "ocr=a.py",
            "ocr=./a.py",
            "ocr=mine",
            "ocr=:A",
            "ocr=a.py:",
            "summary=a.py:A",
            "read=a.py:A",
            "ocr=a.py:A,ocr=b.py:B",
        ] {
            assert_eq!(own_stages(wrong), None, "{wrong}");
        }
    }
}
