-- What the chain says of an order that an intent fills or cancels is told to the catalog; due until it has heard.
alter table tx_intents add column order_due boolean not null default false;

-- Whose act in the transaction it is. A key's transaction is one act; one that carries contract accounts may hold acts
-- of several, and of one account several steps. A transaction verifies for each act once.
alter table tx_candidates add column act text not null default '';
