// What else may be traded: tokens of a contract that nobody here deployed, for money that is not the chain's own. And what
// creators do outside their stages: mints with metadata of their own, and lists made of holders.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { parseAbi, parseEther } from 'viem'
import { chainId, newcomer, ok, pause, reader } from './person.mjs'

const abi = parseAbi([
  'function mint(address to) returns (uint256)',
  'function ownerOf(uint256) view returns (address)',
  'function tokenURI(uint256) view returns (string)',
  'function balanceOf(address) view returns (uint256)',
  'function deposit() payable',
])
const read = (address, functionName, args) => reader.readContract({ address, abi, functionName, args })
const soon = () => new Date(Date.now() + 3_600_000).toISOString()
const [creator, alice, bob] = await Promise.all([newcomer(), newcomer(), newcomer()])
const { chain } = await alice.ask('query ($id: ChainId!) { chain(chainId: $id) { contracts { address standard } } }', { id: chainId })
const wrapped = chain.contracts.find(({ standard }) => standard === 'ERC20').address

/** Has something ordered, and gives the order's id. */
const order = async (who, mutation, input, submit) => who.orderOf((await who.manage(mutation, input, submit)).prepared)
const state = async (id, wanted) => {
  const query = 'query ($id: ID!) { order(id: $id) { status quantity quantityFilled maker } }'
  for (const deadline = Date.now() + 15_000; ; await pause(100)) {
    const { order: found } = await alice.ask(query, { id })
    if (found.status === wanted) return found
    assert.ok(Date.now() < deadline, `the order is not ${wanted}: ${JSON.stringify(found)}`)
  }
}

// ---- a contract of somebody else's, which no catalog follows

const { abi: plainAbi, bytecode } = JSON.parse(readFileSync(new URL('../../contracts/out/PlainERC721.json', import.meta.url)))
const deployed = await bob.wallet.deployContract({ abi: plainAbi, bytecode, args: ['Plain', 'PLN'] })
const plain = (await reader.waitForTransactionReceipt({ hash: deployed })).contractAddress
for (let i = 0; i < 2; i++) await bob.call(plain, abi, 'mint', [bob.address])
const listing = (tokenId) => ({
  token: { chainId, address: plain, tokenId }, seller: bob.address, priceRaw: String(parseEther('1')), expiresAt: soon(),
})
const prepared = await bob.prepare('prepareListing', listing('1'))
assert.deepEqual(prepared.steps.map(({ kind }) => kind), ['TRANSACTION', 'SIGNATURE'])
await bob.carryOut(prepared, 'submitListing')
const first = await bob.orderOf(prepared)
assert.equal((await state(first, 'ACTIVE')).maker, bob.address)
const { prepared: bought } = await alice.manage('prepareBuy', { orderId: first, buyer: alice.address })
assert.equal(bought.steps[0].simulated, true)
assert.equal(await read(plain, 'ownerOf', [1n]), alice.address)
assert.equal((await state(first, 'FILLED')).quantityFilled, '1')
const second = await bob.prepare('prepareListing', listing('2'))
assert.deepEqual(second.steps.map(({ kind }) => kind), ['TRANSACTION', 'SIGNATURE'])
await bob.carryOut(second, 'submitListing')
await bob.manage('prepareCancelListing', { orderId: await bob.orderOf(second), maker: bob.address })
await state(await bob.orderOf(second), 'CANCELLED')
ok('tokens of a contract that is not ours are listed, bought and withdrawn; the orders tell')

// ---- a creator's own mint

const collection = await creator.create('ERC721', [])
const own = (who) => ({ collection, minter: who.address, metadataUris: ['ipfs://one', 'ipfs://two'] })
await alice.refused('prepareMint721', own(alice), 'NOT_OWNER')
await alice.refused('prepareMint721', { collection, minter: alice.address }, 'MINT_NOT_OPEN')
await creator.manage('prepareMint721', own(creator))
assert.equal(await read(collection.address, 'tokenURI', [2n]), 'ipfs://two')
ok('a creator mints tokens with metadata of their own, and nobody else does')

// ---- for money of another kind

const price = parseEther('3')
const forWrapped = { token: { ...collection, tokenId: '1' }, seller: creator.address, priceRaw: String(price), currency: wrapped, expiresAt: soon() }
const third = await order(creator, 'prepareListing', forWrapped, 'submitListing')
await alice.refused('prepareBuy', { orderId: third, buyer: alice.address }, 'INSUFFICIENT_BALANCE')
await alice.call(wrapped, abi, 'deposit', [], price)
const { prepared: paid } = await alice.manage('prepareBuy', { orderId: third, buyer: alice.address })
assert.deepEqual(paid.steps.map(({ kind, simulated }) => [kind, simulated]), [['TRANSACTION', true], ['TRANSACTION', true]])
assert.equal(await read(collection.address, 'ownerOf', [1n]), alice.address)
assert.equal(await read(wrapped, 'balanceOf', [creator.address]), price)
const { intent } = await alice.ask('query ($id: ID!) { intent(id: $id) { steps { status txHash } } }', { id: paid.intent.id })
assert.deepEqual(intent.steps.map(({ status }) => status), ['DONE', 'DONE'])
assert.equal(new Set(intent.steps.map(({ txHash }) => txHash)).size, 2)
ok('a listing for wrapped Ether is approved and bought in two steps, both tried before')

// ---- who holds may come in early

const holders = `mutation ($input: CreateAllowlistFromHoldersInput!) {
  list: createAllowlistFromHolders(input: $input) { __typename ... on Allowlist { root count blockNumber } ... on Problem { code message } }
}`
const { list } = await creator.ask(holders, { input: { name: 'holders', collection } })
assert.equal(list.__typename, 'Allowlist', JSON.stringify(list))
assert.equal(list.count, 2)
const early = await creator.create('ERC721', [
  { kind: 'ALLOWLIST', priceRaw: '5', maxPerWallet: '2', maxSupply: '3', allowlistRoot: list.root },
  { kind: 'PUBLIC', priceRaw: '9', startsAt: soon() },
])
const eligibility = async (who) => {
  const query = `query ($collection: ContractRef!, $wallet: Address!) {
    it: mintEligibility(collection: $collection, wallet: $wallet) {
      eligible reasonCode stageKind priceRaw walletLeft supplyLeft listed nextStageAt
    }
  }`
  return (await alice.ask(query, { collection: early, wallet: who.address })).it
}
const hers = await eligibility(alice)
assert.deepEqual([hers.eligible, hers.stageKind, hers.priceRaw, hers.walletLeft, hers.supplyLeft, hers.listed],
  [true, 'ALLOWLIST', '5', '2', '3', true])
const his = await eligibility(bob)
assert.deepEqual([his.eligible, his.reasonCode, his.listed], [false, 'NOT_ALLOWLISTED', false])
await alice.manage('prepareMint721', { collection: early, minter: alice.address, quantity: 2, expectedPriceRaw: '5' })
const after = await eligibility(alice)
assert.deepEqual([after.eligible, after.reasonCode, after.walletLeft, after.supplyLeft], [false, 'MINT_LIMIT_REACHED', '0', '1'])
ok('holders become a list that may mint, and everybody can ask what they may')

await Promise.all([creator, alice, bob].map((person) => person.leave()))
