//! The windows of a convolution: which element of the image each of a window's places falls on.

/// A window that moves over an image [height, width, channels].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    image: [usize; 3],
    kernel: [usize; 2],
    stride: [usize; 2],
    before: [usize; 2],
    positions: [usize; 2],
}

impl Windows {
    /// The windows of `kernel` over `image` with `padding` zeros at top, bottom, left, right; None where none fits in, a
    /// stride or a length is zero, or a size overflows.
    #[must_use]
    pub fn new(
        image: [usize; 3],
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 4],
    ) -> Option<Self> {
        let [top, bottom, left, right] = padding;
        let along = |length: usize, kernel: usize, stride: usize, before: usize, after: usize| {
            let free = length.checked_add(before)?.checked_add(after)?.checked_sub(kernel)?;
            Some(free.checked_div(stride)? + 1)
        };
        let positions = [
            along(image[0], kernel[0], stride[0], top, bottom)?,
            along(image[1], kernel[1], stride[1], left, right)?,
        ];
        let places = kernel[0].checked_mul(kernel[1])?.checked_mul(image[2])?;
        let empty = image.contains(&0) || places == 0;
        (!empty).then_some(Self { image, kernel, stride, before: [top, left], positions })
    }

    /// Positions, down and across.
    #[must_use]
    pub const fn positions(&self) -> [usize; 2] {
        self.positions
    }

    /// Places in a window: kernel height x kernel width x channels.
    #[must_use]
    pub const fn places(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.image[2]
    }

    /// The image's element under `place` (row, column, channel, row-major) of the window at `position` (row-major);
    /// None where that is padding.
    #[must_use]
    pub fn element(&self, position: usize, place: usize) -> Option<usize> {
        let [height, width, channels] = self.image;
        let (row, column) = (position / self.positions[1], position % self.positions[1]);
        let (spot, channel) = (place / channels, place % channels);
        let inside = |position: usize, axis: usize, offset: usize, length: usize| {
            (position * self.stride[axis] + offset).checked_sub(self.before[axis]).filter(|at| *at < length)
        };
        let y = inside(row, 0, spot / self.kernel[1], height)?;
        let x = inside(column, 1, spot % self.kernel[1], width)?;
        Some((y * width + x) * channels + channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_outside_of_the_image() {
        let windows = Windows::new([3, 4, 2], [2, 2], [2, 2], [1, 0, 0, 1]).expect("windows");
        assert_eq!(windows.positions(), [2, 2]);
        assert_eq!(windows.places(), 8);
        assert_eq!(windows.element(0, 0), None);
        assert_eq!(windows.element(0, 4), Some(0));
        assert_eq!(windows.element(3, 3), Some(4 * 2 + 3 * 2 + 1));
        assert_eq!(windows.element(3, 7), Some(2 * 4 * 2 + 3 * 2 + 1));
    }

    #[test]
    fn impossible_windows_are_none() {
        assert_eq!(Windows::new([3, 3, 1], [4, 1], [1, 1], [0; 4]), None);
        assert_eq!(Windows::new([3, 3, 1], [1, 1], [0, 1], [0; 4]), None);
        assert_eq!(Windows::new([3, 3, 0], [1, 1], [1, 1], [0; 4]), None);
        assert_eq!(Windows::new([3, 3, 1], [1, 1], [1, 1], [usize::MAX, 1, 0, 0]), None);
    }
}
