-- How long a block takes and when it is there for good. Defaults for rows that an older process writes.
alter table chains
    add column block_time_millis integer not null default 2000,
    add column finality_blocks integer not null default 64,
    add constraint chains_block_time_millis_check check (block_time_millis between 1 and 3600000),
    add constraint chains_finality_blocks_check check (finality_blocks between 1 and 100000),
    add constraint chains_features_json_check check (jsonb_typeof(features_json) = 'object');
update chains set finality_blocks = reorg_depth;

-- The bytes that the hash is of: jsonb keeps the meaning of an interface, not its spaces and the order of its keys.
alter table abi_blobs
    add column abi_text text,
    add constraint abi_blobs_text_check check (num_nonnulls(abi_text, s3_key) <= 1);

-- What was observed changes with each block and belongs to no version of the registry.
alter table chain_gas_policy add column observed_at timestamptz;
insert into chain_gas_policy (chain_id, multiplier) select id, 2 from chains on conflict do nothing;

-- The block at which an implementation was seen; null where an operator said so.
alter table contract_impl_history add column block_number bigint;

-- Whoever makes a version, by whatever way, tells those who wait for one when it is committed.
create function tell_registry_version() returns trigger language plpgsql as $$
begin
    perform pg_notify('registry_version', new.version::text);
    return null;
end
$$;
create trigger registry_version_told after update of version on registry_version
    for each row execute function tell_registry_version();
