-- Whether the wallet is a contract account, whose transactions other people carry; null where nobody could tell when it
-- was prepared.
alter table tx_intents add column contract_account boolean;

alter table tx_candidates
    -- The transaction that used the nonce in this one's place: found once, it is not searched for at each look.
    add column taker_hash text,
    -- The block in which it was seen last: what is done is taken back only when this block is not the chain's any more.
    add column mined_block bigint,
    add column mined_block_hash text,
    -- When a node was last asked for one that none has ever shown.
    add column asked_at timestamptz;
