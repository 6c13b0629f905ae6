//! The memory queue keeps the contract.

use std::sync::Arc;

use queue::{MemoryConfig, MemoryQueue, Queue};

async fn open() -> ((), Arc<dyn Queue>) {
    ((), Arc::new(MemoryQueue::new(MemoryConfig::default())))
}

queue::contract_tests!([] open =>
    sends_and_receives_the_same_bytes, keeps_absent_attributes_absent, recognises_a_repeated_send,
    a_value_that_comes_back_is_a_message, keeps_the_order_of_a_group, withholds_a_group_on_lease,
    hands_out_again_after_the_lease, hands_out_again_after_a_release, extends_a_lease, deletes_for_good,
    deletes_many_for_good,
    wakes_a_waiting_receive, wakes_when_a_group_is_freed, dead_letters_leave_the_queue,
    refuses_what_cannot_be_carried, carries_a_body_of_the_limit, counts, consumers_share_without_overlap,
    fences_stale_receipts, dropped_receives_strand_nothing, lists_and_shows_dead_letters,
    lists_many_dead_letters_of_a_group, skips_dead_letters, redrives_dead_letters, refuses_a_redrive_that_rolls_back, withholds_parked_groups,
    a_redrive_in_a_parked_group_goes_first,
);
