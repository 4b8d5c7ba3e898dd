//! What a client has open, behind names that only say which.

use wire::{Reader, Writer};

use crate::limits::HANDLES;

/// An open file or folder.
pub(crate) enum Open<F, D> {
    File(F),
    Directory(D),
}

struct Slot<T> {
    /// Part of the name, so that one that was closed does not name what came into its place.
    generation: u32,
    open: Option<T>,
}

/// A table of them that does not grow beyond a limit.
pub(crate) struct Handles<F, D> {
    slots: Vec<Slot<Open<F, D>>>,
    count: usize,
    max: usize,
}

impl<F, D> Handles<F, D> {
    pub(crate) fn new(max: usize) -> Self {
        Self { slots: Vec::new(), count: 0, max: max.min(HANDLES) }
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count >= self.max
    }

    /// Keeps it and names it. To be called only when there is room.
    pub(crate) fn insert(&mut self, open: Open<F, D>) -> [u8; 8] {
        let free = self.slots.iter().position(|slot| slot.open.is_none());
        let index = free.unwrap_or(self.slots.len());
        if free.is_none() {
            self.slots.push(Slot { generation: 0, open: None });
        }
        let mut generation = 0;
        if let Some(slot) = self.slots.get_mut(index) {
            slot.generation = slot.generation.wrapping_add(1);
            slot.open = Some(open);
            generation = slot.generation;
            self.count += 1;
        }
        let mut name = Vec::with_capacity(8);
        name.put_u32(index as u32);
        name.put_u32(generation);
        name.try_into().unwrap_or_default()
    }

    fn index(&self, name: &[u8]) -> Option<usize> {
        let mut reader = Reader::new(name);
        let (index, generation) = (reader.u32().ok()? as usize, reader.u32().ok()?);
        reader.finish().ok()?;
        let slot = self.slots.get(index)?;
        (slot.generation == generation && slot.open.is_some()).then_some(index)
    }

    fn get(&mut self, name: &[u8]) -> Option<&mut Open<F, D>> {
        let index = self.index(name)?;
        self.slots.get_mut(index)?.open.as_mut()
    }

    pub(crate) fn file(&mut self, name: &[u8]) -> Option<&mut F> {
        match self.get(name)? {
            Open::File(file) => Some(file),
            Open::Directory(_) => None,
        }
    }

    pub(crate) fn directory(&mut self, name: &[u8]) -> Option<&mut D> {
        match self.get(name)? {
            Open::Directory(directory) => Some(directory),
            Open::File(_) => None,
        }
    }

    /// Two different files.
    pub(crate) fn files(&mut self, first: &[u8], second: &[u8]) -> Option<(&mut F, &mut F)> {
        let (first, second) = (self.index(first)?, self.index(second)?);
        let [first, second] = self.slots.get_disjoint_mut([first, second]).ok()?;
        match (first.open.as_mut()?, second.open.as_mut()?) {
            (Open::File(first), Open::File(second)) => Some((first, second)),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<Open<F, D>> {
        let index = self.index(name)?;
        let open = self.slots.get_mut(index)?.open.take();
        self.count -= usize::from(open.is_some());
        open
    }

    /// Everything that is open, which then is not any more.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Open<F, D>> {
        self.count = 0;
        self.slots.drain(..).filter_map(|slot| slot.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_die_with_what_they_name() {
        let mut handles: Handles<u8, char> = Handles::new(2);
        let first = handles.insert(Open::File(1));
        let second = handles.insert(Open::Directory('d'));
        assert!(handles.is_full());
        assert!(handles.file(&second).is_none() && handles.directory(&first).is_none());
        assert_eq!(handles.directory(&second), Some(&mut 'd'));
        assert!(handles.files(&first, &first).is_none());
        assert!(matches!(handles.remove(&first), Some(Open::File(1))));
        assert!(handles.remove(&first).is_none() && !handles.is_full());
        let third = handles.insert(Open::File(3));
        assert!(handles.file(&first).is_none());
        assert_eq!(handles.file(&third), Some(&mut 3));
        assert!(handles.file(b"").is_none() && handles.file(&[0xff; 8]).is_none());
        assert!(handles.file(&[&third[..], &[0]].concat()).is_none());
        assert_eq!(handles.drain().count(), 2);
    }
}
