-- A Merkle tree over addresses, stored once for each root, whoever made a list of it. It is laid out as OpenZeppelin's
-- StandardMerkleTree lays it out: node 0 is the root, the children of node n are 2n + 1 and 2n + 2, the leaves are last.
create table allowlist_trees (
    tree_id uuid not null,
    root text not null,
    -- How many addresses there are.
    size integer not null,
    -- 2 * size - 1 nodes of 32 bytes.
    nodes bytea not null,
    created_at timestamptz not null default now(),
    constraint allowlist_trees_pkey primary key (tree_id),
    constraint allowlist_trees_root_key unique (root),
    constraint allowlist_trees_size_check check (size between 1 and 100000),
    constraint allowlist_trees_nodes_check check (octet_length(nodes) = 32 * (2 * size - 1))
);
-- Not compressed (hashes do not shrink anyway), so that a proof reads its few nodes and not the megabytes around them.
alter table allowlist_trees alter column nodes set storage external;

-- Where each address's leaf is. The key is also the order of pages.
create table allowlist_members (
    tree_id uuid not null,
    address text not null,
    leaf integer not null,
    constraint allowlist_members_pkey primary key (tree_id, address),
    constraint allowlist_members_tree_id_fkey foreign key (tree_id) references allowlist_trees (tree_id)
);

-- What a user calls a list. The same addresses are the same list.
create table allowlists (
    allowlist_id uuid not null,
    user_id uuid not null,
    name text not null,
    tree_id uuid not null,
    -- Of a snapshot: whose holders they were, and when.
    chain_id text,
    contract_address text,
    block_number bigint,
    block_hash text,
    block_time timestamptz,
    created_at timestamptz not null,
    constraint allowlists_pkey primary key (allowlist_id),
    constraint allowlists_user_id_tree_id_key unique (user_id, tree_id),
    constraint allowlists_tree_id_fkey foreign key (tree_id) references allowlist_trees (tree_id),
    constraint allowlists_snapshot_check check (num_nulls(chain_id, contract_address, block_number, block_hash,
        block_time) in (0, 5))
);
-- A user's lists, newest first, by keyset.
create index allowlists_user_id_idx on allowlists (user_id, created_at desc, allowlist_id desc);
