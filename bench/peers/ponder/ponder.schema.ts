// The same result as the catalog's for this chain: who owns each token, and a row for each thing that happened.
import { onchainTable } from "ponder";

export const token = onchainTable("token", (t) => ({
  id: t.bigint().primaryKey(),
  owner: t.hex().notNull(),
}));

export const transferEvent = onchainTable("transfer_event", (t) => ({
  id: t.text().primaryKey(),
  token: t.bigint().notNull(),
  from: t.hex().notNull(),
  to: t.hex().notNull(),
  block: t.bigint().notNull(),
  time: t.bigint().notNull(),
  logIndex: t.integer().notNull(),
  transaction: t.hex().notNull(),
}));
