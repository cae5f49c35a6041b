use crossbeam_utils::CachePadded;

use super::sync::{Arc, AtomicBool, AtomicUsize, Ordering, UnsafeCell};

/// Why a value was not taken; it comes back to the caller.
#[derive(Debug, PartialEq, Eq)]
pub enum PushError<T> {
    /// There is no room now.
    Full(T),
    /// The consumer is gone: there will never be room.
    Abandoned(T),
}

struct Shared<T> {
    slots: Box<[UnsafeCell<Option<T>>]>,
    /// Count of values ever popped; written by the consumer only.
    head: CachePadded<AtomicUsize>,
    /// Count of values ever pushed; written by the producer only.
    tail: CachePadded<AtomicUsize>,
    producer_gone: AtomicBool,
    consumer_gone: AtomicBool,
}

// SAFETY: a slot is touched by the producer only while it is free (tail - head < capacity, head read with
// Acquire) and by the consumer only while it is full (head < tail, tail read with Acquire), so no two threads
// ever hold a reference to the same slot; values cross threads, hence `T: Send`.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn slot(&self, count: usize) -> &UnsafeCell<Option<T>> {
        // The capacity is a power of two, so the mask is the remainder, and stays right when counts wrap.
        &self.slots[count & (self.slots.len() - 1)]
    }
}

/// The writing end.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    tail: usize,
    /// Last head seen: as long as it shows room, the consumer's cache line is left alone.
    known_head: usize,
}

/// The reading end.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    head: usize,
    /// Last tail seen: as long as it shows values, the producer's cache line is left alone.
    known_tail: usize,
}

/// Makes a ring of at least `capacity` places (rounded up to a power of two).
pub fn ring<T: Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let slots = (0..capacity.max(1).next_power_of_two()).map(|_| UnsafeCell::new(None)).collect();
    let shared = Arc::new(Shared {
        slots,
        head: CachePadded::new(AtomicUsize::new(0)),
        tail: CachePadded::new(AtomicUsize::new(0)),
        producer_gone: AtomicBool::new(false),
        consumer_gone: AtomicBool::new(false),
    });
    (Producer { shared: shared.clone(), tail: 0, known_head: 0 }, Consumer { shared, head: 0, known_tail: 0 })
}

impl<T: Send> Producer<T> {
    /// Puts `value` in the ring.
    ///
    /// # Errors
    /// [`PushError`] with the value, when there is no room or nobody will ever read it.
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        // Acquire pairs with the Release in the consumer's drop.
        if self.shared.consumer_gone.load(Ordering::Acquire) {
            return Err(PushError::Abandoned(value));
        }
        if !self.has_room() {
            return Err(PushError::Full(value));
        }
        self.shared.slot(self.tail).with_mut(|slot| {
            // SAFETY: tail - head < capacity with head acquired, so the consumer has emptied this slot and
            // will not look at it until the Release below publishes the new tail.
            unsafe { *slot = Some(value) };
        });
        self.tail = self.tail.wrapping_add(1);
        // Release pairs with the Acquire in `Consumer::pop`: the value is written before it is counted.
        self.shared.tail.store(self.tail, Ordering::Release);
        Ok(())
    }

    /// Whether a push would find room now.
    pub fn has_room(&mut self) -> bool {
        let capacity = self.shared.slots.len();
        if self.tail.wrapping_sub(self.known_head) == capacity {
            // Acquire pairs with the Release in `Consumer::pop`: the slot is emptied before it is counted.
            self.known_head = self.shared.head.load(Ordering::Acquire);
        }
        self.tail.wrapping_sub(self.known_head) < capacity
    }

    /// Whether the consumer is gone.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        // Acquire pairs with the Release in the consumer's drop.
        self.shared.consumer_gone.load(Ordering::Acquire)
    }
}

impl<T: Send> Consumer<T> {
    /// Takes the oldest value, if there is one.
    pub fn pop(&mut self) -> Option<T> {
        if self.head == self.known_tail {
            // Acquire pairs with the Release in `Producer::push`: the counted value is visible.
            self.known_tail = self.shared.tail.load(Ordering::Acquire);
            if self.head == self.known_tail {
                return None;
            }
        }
        let value = self.shared.slot(self.head).with_mut(|slot| {
            // SAFETY: head < tail with tail acquired, so the producer has filled this slot and will not touch
            // it until the Release below publishes the new head.
            unsafe { (*slot).take() }
        });
        self.head = self.head.wrapping_add(1);
        // Release pairs with the Acquire in `Producer::has_room`: the slot is empty before it is counted.
        self.shared.head.store(self.head, Ordering::Release);
        value
    }

    /// Whether the producer is gone and everything it pushed was popped: nothing will ever come.
    pub fn is_finished(&mut self) -> bool {
        // Acquire pairs with the Release in the producer's drop, which comes after its last push: if it is
        // gone, the tail read below is final.
        if !self.shared.producer_gone.load(Ordering::Acquire) {
            return false;
        }
        self.known_tail = self.shared.tail.load(Ordering::Acquire);
        self.head == self.known_tail
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        // Release pairs with the Acquire in `Consumer::is_finished`.
        self.shared.producer_gone.store(true, Ordering::Release);
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        // Release pairs with the Acquire in `Producer::push` and `Producer::is_abandoned`.
        self.shared.consumer_gone.store(true, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{PushError, ring};

    #[test]
    fn values_come_out_in_order_and_full_hands_back() {
        let (mut producer, mut consumer) = ring(2);
        for round in 0..5 {
            assert_eq!(producer.push(round), Ok(()));
            assert_eq!(producer.push(round + 100), Ok(()));
            assert_eq!(producer.push(7), Err(PushError::Full(7)));
            assert_eq!(consumer.pop(), Some(round));
            assert_eq!(consumer.pop(), Some(round + 100));
            assert_eq!(consumer.pop(), None);
        }
    }

    #[test]
    fn ends_notice_each_other() {
        let (mut producer, mut consumer) = ring(4);
        assert_eq!(producer.push(1), Ok(()));
        drop(producer);
        assert!(!consumer.is_finished());
        assert_eq!(consumer.pop(), Some(1));
        assert!(consumer.is_finished());

        let (mut producer, consumer) = ring(4);
        drop(consumer);
        assert_eq!(producer.push(1), Err(PushError::Abandoned(1)));
    }

    /// Values that cross; an interpreter takes a thousand times as long for each.
    const VALUES: u64 = if cfg!(miri) { 2_000 } else { 1_000_000 };

    #[test]
    fn many_values_cross_threads_unharmed() {
        let (mut producer, mut consumer) = ring(64);
        let writer = std::thread::spawn(move || {
            for value in 0..VALUES {
                while producer.push(Box::new(value)).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while !consumer.is_finished() {
            match consumer.pop() {
                Some(value) => {
                    assert_eq!(*value, expected);
                    expected += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        assert_eq!(expected, VALUES);
        writer.join().unwrap();
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::ring;

    /// Every interleaving of three pushes into two places and their pops keeps order and loses nothing.
    #[test]
    fn order_is_kept_in_every_interleaving() {
        loom::model(|| {
            let (mut producer, mut consumer) = ring(2);
            let writer = loom::thread::spawn(move || {
                for value in 0..3 {
                    while producer.push(Box::new(value)).is_err() {
                        loom::thread::yield_now();
                    }
                }
            });
            let mut expected = 0;
            while !consumer.is_finished() {
                match consumer.pop() {
                    Some(value) => {
                        assert_eq!(*value, expected);
                        expected += 1;
                    }
                    None => loom::thread::yield_now(),
                }
            }
            assert_eq!(expected, 3);
            writer.join().unwrap();
        });
    }

    /// A consumer that leaves early frees what is left and never hangs the producer.
    #[test]
    fn an_abandoned_ring_neither_hangs_nor_leaks() {
        loom::model(|| {
            let (mut producer, mut consumer) = ring(1);
            let reader = loom::thread::spawn(move || {
                consumer.pop();
            });
            let mut pushed = 0;
            while pushed < 2 && !producer.is_abandoned() {
                match producer.push(Box::new(pushed)) {
                    Ok(()) => pushed += 1,
                    Err(_) => loom::thread::yield_now(),
                }
            }
            reader.join().unwrap();
        });
    }
}
