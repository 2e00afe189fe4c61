-- Why a row of the ledger is there: somebody approved, or the token was transferred, which takes its approval away
-- although few contracts say so.
alter table approvals_history
    add column cause varchar(16) not null default 'approval'
        constraint approvals_history_cause_check check (cause in ('approval', 'transfer')),
    -- Whether the owner's history shows it: what stands on the chain; of the transfers only those that took an approval
    -- away. Decided with the slot, so that a page needs to look at nothing else.
    add column is_shown boolean not null default false;
update approvals_history h set is_shown = not h.removed and not exists (
    select from approvals_history later
    where later.event_id = h.event_id and (later.generation, later.removed) > (h.generation, h.removed));

-- The last word on a slot is found from its highest place downwards, however often the token was transferred.
drop index approvals_history_slot_idx;
create index approvals_history_place_idx on approvals_history
    (chain_id, contract, slot, block_number, log_index, batch_index, block_hash);
-- The keyset of ListApprovalHistory; the rows that nobody is shown are not in it.
drop index approvals_history_owner_idx;
create index approvals_history_shown_idx on approvals_history
    (owner, chain_id, block_number desc, log_index desc, id desc) where is_shown;

-- What is in force has a row here, and nothing else: else every token that ever moved would have one.
delete from approvals where not is_approved;
-- The keyset of ListGrantors: an operator of a marketplace has many.
drop index approvals_operator_idx;
create index approvals_operator_idx on approvals
    (operator, chain_id, block_number desc, log_index desc, id desc) where is_approved;

-- The keyset of ListActivity, and what the sweep goes by.
drop index wallet_activity_user_id_idx;
create index wallet_activity_user_id_idx on wallet_activity (user_id, created_at desc, id desc);
create index wallet_activity_created_at_idx on wallet_activity (created_at);

-- A message that was answered already is known by its hash when the answer was lost.
create index wallet_verifications_message_idx on wallet_verifications ((verification_data ->> 'messageHash'));
