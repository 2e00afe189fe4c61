// What it reads, where: everything comes from the environment that the benchmark gives.
import { createConfig } from "ponder";
import crowd from "../../contracts/Crowd.json";

const variable = (name: string): string => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run \`cargo xtask bench indexer\``);
  return value;
};

export default createConfig({
  database: { kind: "postgres", connectionString: variable("DATABASE_URL") },
  chains: { local: { id: 31337, rpc: variable("PONDER_RPC_URL") } },
  contracts: {
    Crowd: {
      chain: "local",
      abi: crowd.abi as any,
      address: variable("PONDER_CROWD") as `0x${string}`,
      startBlock: Number(variable("PONDER_FROM")),
    },
  },
});
