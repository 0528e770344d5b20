//! Where frames live: slots that are used again, reached by keys that go stale with their frame.

use super::frame::Frame;

/// Names a frame. A key whose frame is gone finds nothing, also when the slot is in use again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameId {
    slot: u32,
    serial: u32,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Arena {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Slot {
    serial: u32,
    frame: Option<Frame>,
}

impl Arena {
    pub(super) fn insert(&mut self, frame: Frame) -> FrameId {
        if let Some(slot) = self.free.pop()
            && let Some(entry) = self.slots.get_mut(slot as usize)
        {
            entry.serial = entry.serial.wrapping_add(1);
            entry.frame = Some(frame);
            return FrameId { slot, serial: entry.serial };
        }
        // Frames alive at once are bounded by the tasks of a document, far below 2^32.
        let slot = self.slots.len() as u32;
        self.slots.push(Slot { serial: 0, frame: Some(frame) });
        FrameId { slot, serial: 0 }
    }

    pub(super) fn get(&self, id: FrameId) -> Option<&Frame> {
        self.slots.get(id.slot as usize).filter(|slot| slot.serial == id.serial)?.frame.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: FrameId) -> Option<&mut Frame> {
        self.slots.get_mut(id.slot as usize).filter(|slot| slot.serial == id.serial)?.frame.as_mut()
    }

    pub(super) fn remove(&mut self, id: FrameId) -> Option<Frame> {
        let entry = self.slots.get_mut(id.slot as usize).filter(|slot| slot.serial == id.serial)?;
        let frame = entry.frame.take();
        if frame.is_some() {
            self.free.push(id.slot);
        }
        frame
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
