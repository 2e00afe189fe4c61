-- no-transaction
-- Somebody who wants to mint from an address without code is told when a collection is on its way to it.
create index concurrently if not exists tx_intents_preview_address_idx on tx_intents (chain_id, preview_address)
    where preview_address is not null;
