//! Amounts of memory as a person writes them.

/// Less than any worker needs.
const LEAST: u64 = 32 << 20;

/// `8G`, `512MiB`, `1.5g`: powers of 1024, a whole number of bytes without a unit; 0 is no limit.
pub(crate) fn memory_limit(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let unit = unit.trim().to_ascii_lowercase();
    let shift = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(&unit)
    {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => {
            return Err(format!(
                "`{text}` is no amount of memory such as 512M or 8G"
            ));
        }
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` is no amount of memory such as 512M or 8G"))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "saturates, and bytes are whole"
    )]
    let bytes = (number * (1_u64 << shift) as f64) as u64;
    match bytes {
        0 => Ok(0),
        it if it < LEAST => Err(format!(
            "`{text}` is less than any worker needs: give 32M or more, such as 512M or 8G"
        )),
        it => Ok(it),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024_however_they_are_spelled() {
        for (text, bytes) in [
            ("536870912", 512 << 20),
            ("512M", 512 << 20),
            ("512 mib", 512 << 20),
            ("0.5GB", 512 << 20),
            ("8g", 8 << 30),
            ("2T", 2 << 40),
            ("0", 0),
        ] {
            assert_eq!(memory_limit(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_or_too_little_says_what_would_be_one() {
        for text in ["", "much", "8X", "-1", "1.2.3G", "8", "31M"] {
            let why = memory_limit(text).unwrap_err();
            assert!(
                why.contains(&format!("`{text}`")) && why.contains("512M"),
                "{why}"
            );
        }
    }
}
