-- Every event of a chain that this service has seen, for ever. A row is the mark that its event has had its effect, and
-- everything else that comes from a chain can be computed again from here.
--
-- A block can become canonical, be taken back, and become canonical again: each time is a generation, and a retraction
-- is a row of its own. For one event (chain, block, log, place in the log) the row with the highest generation,
-- a retraction last, decides; `stands` is true on that row if it is no retraction, and on no other row.
-- Whoever writes rows of a collection holds that collection's row lock, else `stands` could be decided twice.
create table chain_ledger (
    chain_id bigint not null,
    block_hash bytea not null,
    log_index bigint not null,
    batch_index bigint not null,
    generation bigint not null,
    removed boolean not null,
    stands boolean not null,
    -- The activity's id: the same for every generation of one event.
    id uuid not null,
    kind text not null,
    -- The contract that the event is about; its collection's row where it is an event of a collection.
    contract bytea not null,
    collection_id uuid,
    -- The part of a collection's picture that the event decides (created, owner, uri, role/..., stage/...).
    aspect text,
    -- Where a quantity of a token went.
    token_row_id uuid,
    token_id numeric(78, 0),
    standard text,
    from_address bytea,
    to_address bytea,
    quantity numeric(78, 0),
    block_number bigint not null,
    block_time timestamptz not null,
    fork_block bigint,
    tx_hash bytea not null,
    tx_from bytea not null,
    -- The event's own fields as they came, where the columns above do not hold them all.
    fact jsonb,
    recorded_at timestamptz not null default now(),
    constraint chain_ledger_pkey primary key (chain_id, block_hash, log_index, batch_index, generation, removed),
    constraint chain_ledger_hash_check check (octet_length(block_hash) = 32 and octet_length(tx_hash) = 32),
    constraint chain_ledger_contract_check check (octet_length(contract) = 20 and octet_length(tx_from) = 20),
    constraint chain_ledger_token_id_check check (token_id >= 0 and token_id < 2::numeric ^ 256),
    constraint chain_ledger_quantity_check check (quantity >= 0 and quantity < 2::numeric ^ 256),
    constraint chain_ledger_kind_check check (kind in ('created', 'updated', 'minted', 'transferred', 'burned',
        'metadata', 'approval', 'validated', 'fulfilled', 'cancelled', 'counter', 'payment')),
    constraint chain_ledger_standard_check check (standard in ('ERC721', 'ERC1155')),
    -- A move has everything that undoing it needs.
    constraint chain_ledger_move_check check (case when kind in ('minted', 'transferred', 'burned')
        then collection_id is not null and token_row_id is not null and token_id is not null and standard is not null
            and from_address is not null and to_address is not null and quantity is not null
        else token_row_id is null end),
    constraint chain_ledger_stands_check check (not (stands and removed))
);
-- The last move of a token decides its owner; a token's page shows its moves from the newest on.
create index chain_ledger_token_idx on chain_ledger (token_row_id, block_number, log_index, batch_index)
    where stands and token_row_id is not null;
-- A collection's page shows what happened from the newest on.
create index chain_ledger_collection_idx on chain_ledger (collection_id, block_number, log_index, batch_index)
    where stands and kind in ('created', 'minted', 'transferred', 'burned');
-- The list over everything; on one chain no block is younger than its parent.
create index chain_ledger_newest_idx on chain_ledger (block_time, block_number, log_index, batch_index)
    where stands and kind in ('created', 'minted', 'transferred', 'burned');
-- The last event of an aspect decides it.
create index chain_ledger_aspect_idx on chain_ledger (collection_id, aspect, block_number, log_index, batch_index)
    where stands and aspect is not null;
