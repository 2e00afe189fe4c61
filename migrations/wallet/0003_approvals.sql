-- The ledger of approvals: what the chain told, each once. The unique key is the mark by which a message of any age is
-- known again, so rows are never deleted. A retraction has the id and generation of what it retracts.
create table approvals_history (
    id uuid constraint approvals_history_pkey primary key,
    event_id text not null,
    generation integer not null,
    removed boolean not null,
    chain_id varchar(32) not null,
    contract varchar(42) not null,
    -- What the event decides: `all/{owner}/{operator}`, or `token/{id}`, since a token has one approval at a time.
    slot text not null,
    owner varchar(42) not null,
    operator varchar(42) not null,
    token_id numeric(78, 0)
        constraint approvals_history_token_id_check check (token_id >= 0 and token_id < 2::numeric ^ 256),
    is_approved boolean not null,
    block_number bigint not null,
    block_hash varchar(66) not null,
    block_time timestamptz not null,
    tx_hash varchar(66) not null,
    log_index integer not null,
    batch_index integer not null,
    created_at timestamptz not null default now(),
    constraint approvals_history_event_key unique (event_id, generation, removed)
);
create index approvals_history_slot_idx on approvals_history (chain_id, contract, slot);
create index approvals_history_owner_idx on approvals_history (owner, chain_id, block_number desc, log_index desc);

-- The state now: of each slot the event that stands at the highest place of the chain. Recomputed from the ledger.
create table approvals (
    id uuid constraint approvals_pkey primary key,
    chain_id varchar(32) not null,
    contract varchar(42) not null,
    slot text not null,
    owner varchar(42) not null,
    operator varchar(42) not null,
    token_id numeric(78, 0)
        constraint approvals_token_id_check check (token_id >= 0 and token_id < 2::numeric ^ 256),
    is_approved boolean not null,
    block_number bigint not null,
    block_hash varchar(66) not null,
    block_time timestamptz not null,
    tx_hash varchar(66) not null,
    log_index integer not null,
    batch_index integer not null,
    updated_at timestamptz not null default now(),
    constraint approvals_slot_key unique (chain_id, contract, slot)
);
-- An owner's approvals in force, newest first: the keyset of ListApprovals.
create index approvals_owner_idx on approvals (owner, chain_id, block_number desc, log_index desc, id desc) where is_approved;
-- The reverse look-up: who trusts this operator.
create index approvals_operator_idx on approvals (operator, chain_id) where is_approved;
