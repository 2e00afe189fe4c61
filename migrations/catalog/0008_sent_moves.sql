-- no-transaction
-- The other half of who held what at a block: who sent.
create index concurrently if not exists chain_ledger_sent_idx
    on chain_ledger (collection_id, from_address) include (block_number, quantity)
    where stands and kind in ('minted', 'transferred', 'burned');
