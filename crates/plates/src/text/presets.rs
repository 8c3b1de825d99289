//! Plate formats of countries: the usual series of private cars, without separators.

/// Code and patterns, split by spaces (see [`Format`](super::Format)).
///
/// Patterns without a fixed place for letters and digits (`xxxxx`) say which lengths there are, and correct nothing.
pub const PRESETS: [(&str, &str); 21] = [
    (
        "at",
        "aaddda aadddaa adddaa addddaa addddda adddda aadddda aaddddaa",
    ),
    ("au", "aaadda aaaddd dddaaa daadaa aaddaa daaddd"),
    ("be", "daaaddd aaaddd dddaaa"),
    ("br", "aaadddd aaadadd"),
    (
        "ca",
        "aaaddd aaadddd aaaadddd addaaa addddd daadd dddaaa aadddd",
    ),
    ("ch", "aad aadd aaddd aadddd aaddddd aadddddd"),
    ("cn", "axxxxx axxxxxx"),
    ("cz", "dadddddd daddddd daadddd aaddddd"),
    ("de", "aa?a?aa?ddd?d? aa?a?aa?ddd?d?E aa?a?aa?ddd?d?H"),
    (
        "eu",
        "aadddaa aaddaaa daaaddd ddddaaa aadddda aaddddd aa?a?aa?ddd?d? aadddxx aaxxxxx daddddd daadddd aaaddd aaadddd aadddaa? aaddda addddaa adddaa aaddaa ddaadd ddddaa aaddaddd",
    ),
    ("es", "ddddaaa aadddda aaddddaa"),
    ("fr", "aadddaa dddaadd dddaaadd ddddaadd"),
    ("gb", "aaddaaa adddaaa addaaa adaaa aaaddda aaadda aaada"),
    (
        "in",
        "aaddaadddd aaddadddd aadadddd aadaadddd ddBHdddda ddBHddddaa",
    ),
    ("it", "aadddaa"),
    ("mx", "aaadddd aaaddda dddaaa adddaaa aaaddd"),
    (
        "nl",
        "aadddd ddddaa ddaadd aaddaa aaaadd ddaaaa ddaaad daaadd aadaaa? aaddda dddaad aadddd adddaa",
    ),
    (
        "pl",
        "aadddda aaddddd aaxxxxx aaaxxxx aaaxxxxx aaddda aadddaa",
    ),
    ("pt", "aaddaa ddddaa aadddd ddaadd"),
    (
        "us",
        "daaaddd aaadddd aaaddd dddaaa ddddaaa aaaddda adddaa addddd adddddd aadddd aaddddd ddaaaa dddaaaa ddddaa dddddaa daaddd daadddd adddaaa xxxxx xxxxxx xxxxxxx",
    ),
    (
        "vn",
        "ddadddd ddaddddd ddaadddd ddaaddddd ddaddddd? ddadddddd",
    ),
];
