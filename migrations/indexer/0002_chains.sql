-- What the indexer knows of each chain: how far it has read, which blocks it believes in, and whose logs it keeps.
-- Chains are their numbers, hashes and addresses are bytes.

-- How far a chain has been read. The hash is part of the position: a height alone says nothing after a reorganisation.
create table indexer_checkpoints (
    chain_id bigint primary key,
    last_block bigint not null,
    last_block_hash bytea not null,
    last_block_at timestamptz not null,
    -- The newest block that the node told of when the checkpoint was written.
    head_block bigint not null,
    head_block_hash bytea not null,
    head_block_at timestamptz not null,
    reorg_detected_count bigint not null default 0,
    last_reorg_at timestamptz,
    -- Set when a reorganisation was deeper than the window: nothing is read until an operator has looked at it.
    halted_at timestamptz,
    halted_reason text,
    updated_at timestamptz not null default now(),
    constraint indexer_checkpoints_last_block_check check (last_block >= 0),
    constraint indexer_checkpoints_hash_check check (
        octet_length(last_block_hash) = 32 and octet_length(head_block_hash) = 32
    ),
    constraint indexer_checkpoints_halted_check check ((halted_at is null) = (halted_reason is null))
);

-- One worker a chain in the whole fleet. The epoch grows with every change of hands, and every commit checks it.
create table leases (
    chain_id bigint primary key,
    holder uuid not null,
    epoch bigint not null,
    expires_at timestamptz not null,
    constraint leases_epoch_check check (epoch > 0)
);

-- The window of blocks in which a reorganisation can be followed: canonical ones and those taken back.
create table blocks (
    chain_id bigint not null,
    hash bytea not null,
    number bigint not null,
    parent_hash bytea not null,
    block_at timestamptz not null,
    is_canonical boolean not null,
    -- How often the block has become canonical: a chain can flip from A to B and back to A.
    generation integer not null,
    -- The logs of the block that were stored in Mongo, by which their documents can be named.
    raw_logs integer[] not null,
    -- What those documents say of themselves; they are brought into line after the commit.
    raw_canonical boolean not null,
    raw_generation integer not null,
    -- Whether block_batches has what was published of it. Not so for blocks that were far below the head when they
    -- were read: to take one of those back would be a lie by omission, so the chain halts instead.
    is_retractable boolean not null,
    constraint blocks_pkey primary key (chain_id, hash),
    constraint blocks_hash_check check (octet_length(hash) = 32 and octet_length(parent_hash) = 32),
    constraint blocks_generation_check check (generation > 0)
);
-- A chain has one canonical block at a height; also the way to the newest blocks.
create unique index blocks_canonical_key on blocks (chain_id, number) where is_canonical;
-- What Mongo has not been told yet; nearly always empty.
create index blocks_raw_behind_idx on blocks (chain_id)
    where raw_canonical <> is_canonical or raw_generation <> generation;
-- For the sweep of what has left the window.
create index blocks_number_idx on blocks (chain_id, number);

-- What was published of the blocks inside the window, word for word. A retraction repeats it and therefore needs
-- neither the node (which has forgotten the block) nor the raw store, and has the very ids of what it takes back.
create table block_batches (
    chain_id bigint not null,
    block_hash bytea not null,
    kind text not null,
    part integer not null,
    body jsonb not null,
    constraint block_batches_pkey primary key (chain_id, block_hash, kind, part),
    constraint block_batches_block_fkey foreign key (chain_id, block_hash)
        references blocks (chain_id, hash) on delete cascade
);

-- Whose logs are kept: factories, and the collections that they made or that the registry names.
create table followed_contracts (
    chain_id bigint not null,
    address bytea not null,
    standard text not null,
    from_block bigint not null,
    source text not null,
    -- The block whose factory event named it; when that block is taken back, so is the following.
    created_block_hash bytea,
    followed_at timestamptz not null default now(),
    constraint followed_contracts_pkey primary key (chain_id, address),
    constraint followed_contracts_address_check check (octet_length(address) = 20),
    constraint followed_contracts_standard_check check (standard in ('factory', 'ERC721', 'ERC1155')),
    constraint followed_contracts_source_check check (source in ('registry', 'factory')),
    constraint followed_contracts_created_check check ((source = 'factory') = (created_block_hash is not null))
);
create index followed_contracts_created_idx on followed_contracts (chain_id, created_block_hash)
    where created_block_hash is not null;

-- Every reorganisation that was followed, for people.
create table reorg_history (
    id bigint generated always as identity primary key,
    chain_id bigint not null,
    fork_block bigint not null,
    old_head bigint not null,
    old_head_hash bytea not null,
    affected_blocks integer not null,
    retracted_messages integer not null,
    detected_at timestamptz not null default now()
);
create index reorg_history_chain_idx on reorg_history (chain_id, detected_at);
