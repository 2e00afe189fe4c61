-- no-transaction
-- Who held what at a block: the moves of an account, in the order of accounts, so that a page of holders reads the moves
-- of its own accounts and no others. Written as two halves, since a move has two accounts: here who received.
create index concurrently if not exists chain_ledger_received_idx
    on chain_ledger (collection_id, to_address) include (block_number, quantity)
    where stands and kind in ('minted', 'transferred', 'burned');
