-- What the catalog said is kept once an entity and no longer once a transaction of it: the word on a coalesced batch
-- names hundreds of tokens and hundreds of transactions.
create table catalogued_entities (
    chain_id text not null,
    -- A message's id without its revision; a batch's whole id.
    entity text not null,
    revision bigint not null,
    contract text not null,
    -- Empty: the collection itself.
    token_ids text[] not null,
    removed boolean not null,
    told_at timestamptz not null default now(),
    constraint catalogued_entities_pkey primary key (chain_id, entity)
);
create index catalogued_entities_told_at_idx on catalogued_entities (told_at);

insert into catalogued_entities (chain_id, entity, revision, contract, token_ids, removed, told_at)
select distinct on (chain_id, entity) chain_id, entity, revision, contract, token_ids, removed, told_at
from catalogued_txs order by chain_id, entity, revision desc;

alter table catalogued_txs
    drop column revision,
    drop column contract,
    drop column token_ids,
    drop column removed;
