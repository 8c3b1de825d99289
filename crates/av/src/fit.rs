//! Which part of a picture is used. Pure.

use framerill_media::Size;

use crate::ffi::Crop;

/// The centre of a picture in the aspect of `target`, on whole chroma samples. `pixel_aspect` is the width of a source
/// pixel to its height; the target's pixels are square.
pub(crate) fn centre(
    source: Size,
    pixel_aspect: (u32, u32),
    target: Size,
    chroma_shift: (u32, u32),
) -> Crop {
    let wide = u128::from(target.width()) * u128::from(pixel_aspect.1);
    let high = u128::from(target.height()) * u128::from(pixel_aspect.0);
    let (width, height) = (u128::from(source.width()), u128::from(source.height()));
    let (width, height) = if width * high > height * wide {
        ((height * wide + high / 2) / high, height)
    } else {
        (width, (width * high + wide / 2) / wide)
    };
    let (width, left) = middle(source.width(), width, chroma_shift.0);
    let (height, top) = middle(source.height(), height, chroma_shift.1);
    let size = Size::new(width, height).expect("inside the source, and not empty");
    Crop { left, top, size }
}

/// `wanted` of `all`, and what is left out before it.
fn middle(all: u32, wanted: u128, shift: u32) -> (u32, u32) {
    let wanted = u32::try_from(wanted).unwrap_or(all).clamp(1, all);
    if wanted == all {
        return (all, 0);
    }
    let whole = |n: u32| (n >> shift) << shift;
    let length = whole(wanted).max(all.min(1 << shift));
    (length, whole((all - length) / 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(width: u32, height: u32) -> Size {
        Size::new(width, height).unwrap()
    }

    #[test]
    fn a_square_out_of_hd_is_its_centre() {
        let crop = centre(size(1280, 720), (1, 1), size(512, 512), (1, 1));
        assert_eq!(
            crop,
            Crop {
                left: 280,
                top: 0,
                size: size(720, 720)
            }
        );
        let crop = centre(size(720, 1280), (1, 1), size(512, 512), (1, 1));
        assert_eq!(
            crop,
            Crop {
                left: 0,
                top: 280,
                size: size(720, 720)
            }
        );
    }

    #[test]
    fn wide_pixels_count_for_their_width() {
        // PAL 16:9: 720x576 with pixels of 64:45 is shown as 1024x576.
        let crop = centre(size(720, 576), (64, 45), size(1024, 576), (1, 1));
        assert_eq!(crop, Crop::whole(size(720, 576)));
    }

    proptest! {
        #[test]
        fn the_part_lies_inside_and_keeps_one_side(
            width in 1u32..4000, height in 1u32..4000, to_width in 1u32..4000, to_height in 1u32..4000,
            sar in (1u32..100, 1u32..100), shift in 0u32..2,
        ) {
            let crop = centre(size(width, height), sar, size(to_width, to_height), (shift, shift));
            prop_assert!(crop.left + crop.size.width() <= width);
            prop_assert!(crop.top + crop.size.height() <= height);
            prop_assert!(crop.size.width() == width || crop.size.height() == height);
            prop_assert_eq!((crop.left >> shift) << shift, crop.left);
        }
    }
}
