//! Host side of a call: the words of every slot, for CPU kernels.

use crate::tensor::Slot;

/// The memory of one slot.
#[derive(Debug)]
pub enum Bytes<'a> {
    /// Words that may be read.
    Read(&'a [u32]),
    /// Words that may be read and written.
    Write(&'a mut [u32]),
}

/// The memory of all slots of one call.
#[derive(Debug, Default)]
pub struct HostArgs<'a> {
    slots: Vec<(Slot, Bytes<'a>)>,
}

impl<'a> HostArgs<'a> {
    pub(crate) fn push(&mut self, slot: Slot, bytes: Bytes<'a>) {
        self.slots.push((slot, bytes));
    }

    /// Gives every slot another name: for a problem that is computed as another.
    pub(crate) fn rebind(&mut self, name: impl Fn(Slot) -> Slot) {
        self.slots.iter_mut().for_each(|(slot, _)| *slot = name(*slot));
    }

    /// Words of a slot that is only read.
    ///
    /// # Panics
    /// If the operation's operands do not say so: an internal invariant, binding has checked the caller's.
    pub fn read(&self, slot: Slot) -> &'a [u32] {
        match self.slots.iter().find(|s| s.0 == slot) {
            Some((_, Bytes::Read(words))) => words,
            _ => panic!("internal: {slot} is not bound for reading"),
        }
    }

    /// Words of a slot that is written. Moves the slice out, so that several outputs can be held at once.
    ///
    /// # Panics
    /// As [`HostArgs::read`].
    pub fn write(&mut self, slot: Slot) -> &'a mut [u32] {
        match self.slots.iter_mut().find(|s| s.0 == slot) {
            Some((_, Bytes::Write(words))) => std::mem::take(words),
            _ => panic!("internal: {slot} is not bound for writing"),
        }
    }
}
