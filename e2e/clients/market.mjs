// Two people and a creator walk through everything that can be signed: collections, mints, listings, purchases, offers,
// approvals. And what cannot go well is a problem with a name before anybody signs.
import assert from 'node:assert/strict'
import { parseAbi, parseEther } from 'viem'
import { chainId, newcomer, ok, reader } from './person.mjs'

const abi = parseAbi([
  'function ownerOf(uint256) view returns (address)',
  'function balanceOf(address, uint256) view returns (uint256)',
  'function isApprovedForAll(address, address) view returns (bool)',
  'function pause()',
  'function deposit() payable',
])
const ask = ({ address }, functionName, args) => reader.readContract({ address, abi, functionName, args })
const wei = (address) => reader.getBalance({ address })
const PRICE = parseEther('0.01')
const soon = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString()
const stage = (kind, rest = {}) => ({ kind, priceRaw: String(PRICE), ...rest })
const token = (collection, tokenId) => ({ ...collection, tokenId })

const [creator, second, third, alice, bob, carol] = await Promise.all(Array.from({ length: 6 }, () => newcomer()))
const poor = await newcomer(0n)
const { chain } = await creator.ask('query ($id: ChainId!) { chain(chainId: $id) { contracts { name address standard } } }', { id: chainId })
const contract = (standard) => chain.contracts.find((one) => one.standard === standard)
const exchange = contract('exchange').address
const wrapped = contract('ERC20').address

// ---- collections, and a list that knows its proofs

const listed = [alice, bob, carol].map(({ address }) => address.toLowerCase())
const { list } = await creator.ask(
  `mutation ($input: CreateAllowlistInput!) {
    list: createAllowlist(input: $input) { __typename ... on Allowlist { root count } ... on Problem { code message } }
  }`,
  { input: { name: 'early', addresses: listed } },
)
assert.equal(list.__typename, 'Allowlist', JSON.stringify(list))
assert.equal(list.count, 3)

const [open, edition, early] = await Promise.all([
  creator.create('ERC721', [stage('PUBLIC', { maxPerWallet: '3' })], { maxSupply: '5', royaltyBps: 500, royaltyRecipient: third.address }),
  second.create('ERC1155', [stage('PUBLIC')], { maxSupply: '100' }),
  third.create('ERC721', [stage('ALLOWLIST', { priceRaw: '0', maxPerWallet: '1', allowlistRoot: list.root, maxSupply: '2' })]),
])
ok('an ERC-721, an ERC-1155 and one with an allowlist are created')

// ---- mints

const mint = (who, collection, quantity = 1, rest = {}) => ({ collection, minter: who.address, quantity, ...rest })
const proofOf = async ({ address }) => {
  const query = 'query ($root: Hex!, $address: Address!) { it: allowlistProof(root: $root, address: $address) { listed proof } }'
  return (await creator.ask(query, { root: list.root, address })).it
}
assert.deepEqual(await proofOf(poor), { listed: false, proof: [] })
const { proof } = await proofOf(alice)
assert.ok(proof.length > 0)

const [bought] = await Promise.all([
  alice.manage('prepareMint721', mint(alice, open, 2, { expectedPriceRaw: String(PRICE) })),
  bob.manage('prepareMint1155', { collection: edition, minter: bob.address, tokenId: '7', quantity: '5' }),
  carol.manage('prepareMint721', mint(carol, early)),
])
assert.equal(BigInt(bought.prepared.steps[0].transaction.value), 2n * PRICE)
assert.equal(await ask(open, 'ownerOf', [1n]), alice.address)
assert.equal(await ask(edition, 'balanceOf', [bob.address, 7n]), 5n)
ok('public mints are paid for, and a listed wallet mints without looking for its proof')
await alice.manage('prepareMint721', mint(alice, early, 1, { proof }))
assert.equal(await ask(early, 'ownerOf', [2n]), alice.address)
ok('a listed wallet mints with the proof that it asked for')

// ---- what would not go well

await Promise.all([
  bob.refused('prepareMint721', mint(bob, open, 1, { expectedPriceRaw: '1' }), 'PRICE_CHANGED'),
  bob.refused('prepareMint721', mint(bob, open, 4), 'MINT_LIMIT_REACHED'),
  alice.refused('prepareMint721', mint(alice, open, 2), 'MINT_LIMIT_REACHED'),
  alice.refused('prepareMint721', mint(alice, early, 1, { proof }), 'MINT_LIMIT_REACHED'),
  // All that the stage has are gone, and it is a listed wallet that asks.
  bob.refused('prepareMint721', mint(bob, early), 'SOLD_OUT'),
  second.refused('prepareMint1155', { collection: edition, minter: second.address, tokenId: '7', quantity: '96' }, 'SOLD_OUT'),
  creator.refused('prepareMint721', mint(creator, early), 'NOT_ALLOWLISTED'),
  creator.refused('prepareMint721', mint(creator, early, 1, { proof }), 'NOT_ALLOWLISTED'),
  poor.refused('prepareMint721', mint(poor, open), 'INSUFFICIENT_BALANCE'),
])
const later = await second.create('ERC721', [stage('PUBLIC', { startsAt: soon(1) })])
await bob.refused('prepareMint721', mint(bob, later), 'MINT_NOT_OPEN')
await second.call(edition.address, abi, 'pause')
await alice.refused('prepareMint1155', { collection: edition, minter: alice.address, tokenId: '7', quantity: '1' }, 'MINT_PAUSED')
ok('a wrong price, a limit, sold out, not listed, no money, not open, paused: each is told before anything is signed')

// ---- a listing, its purchase, and the royalty

const list721 = (who, tokenId, priceRaw = String(parseEther('1'))) =>
  ({ token: token(open, tokenId), seller: who.address, priceRaw, expiresAt: soon(24) })
/** Has something ordered, and gives the order's id. */
const order = async (who, mutation, input, submit) => who.orderOf((await who.manage(mutation, input, submit)).prepared)
await bob.refused('prepareListing', list721(bob, '1'), 'NOT_OWNER')
const first = await order(alice, 'prepareListing', list721(alice, '1'), 'submitListing')
const withdrawn = await order(alice, 'prepareListing', list721(alice, '2'), 'submitListing')
const [hers, royalty] = [await wei(alice.address), await wei(third.address)]
await poor.refused('prepareBuy', { orderId: first, buyer: poor.address }, 'INSUFFICIENT_BALANCE')
await bob.refused('prepareBuy', { orderId: first, buyer: bob.address, expectedPriceRaw: '1' }, 'PRICE_CHANGED')
await bob.manage('prepareBuy', { orderId: first, buyer: bob.address, expectedPriceRaw: String(parseEther('1')) })
assert.equal(await ask(open, 'ownerOf', [1n]), bob.address)
assert.equal((await wei(alice.address)) - hers, parseEther('0.95'))
assert.equal((await wei(third.address)) - royalty, parseEther('0.05'))
await carol.refused('prepareBuy', { orderId: first, buyer: carol.address }, 'ORDER_FILLED')
ok('a listing is bought by a second wallet; seller and creator have their shares')

await alice.manage('prepareCancelListing', { orderId: withdrawn, maker: alice.address })
await bob.refused('prepareBuy', { orderId: withdrawn, buyer: bob.address }, 'ORDER_CANCELLED')
ok('a listing is cancelled and cannot be bought')

const units = { token: token(edition, '7'), seller: bob.address, quantity: '4', priceRaw: '4000', expiresAt: soon(24) }
const some = await order(bob, 'prepareListing', units, 'submitListing')
await alice.manage('prepareBuy', { orderId: some, buyer: alice.address, quantity: '1' })
await carol.manage('prepareBuy', { orderId: some, buyer: carol.address, quantity: '3' })
assert.equal(await ask(edition, 'balanceOf', [alice.address, 7n]), 1n)
assert.equal(await ask(edition, 'balanceOf', [carol.address, 7n]), 3n)
await alice.refused('prepareBuy', { orderId: some, buyer: alice.address }, 'ORDER_FILLED')
ok('units of an edition are bought in parts')

// ---- an offer, and taking the exchange's right back

const bid = (who, target) => ({ target, buyer: who.address, priceRaw: String(parseEther('2')), expiresAt: soon(24) })
await alice.refused('prepareOffer', bid(alice, { token: token(open, '1') }), 'INSUFFICIENT_BALANCE')
await alice.call(wrapped, abi, 'deposit', [], parseEther('5'))
const offer = await order(alice, 'prepareOffer', bid(alice, { token: token(open, '1') }), 'submitOffer')
await carol.refused('prepareAcceptOffer', { orderId: offer, seller: carol.address }, 'NOT_OWNER')
await bob.manage('prepareAcceptOffer', { orderId: offer, seller: bob.address })
assert.equal(await ask(open, 'ownerOf', [1n]), alice.address)
const any = await order(alice, 'prepareOffer', bid(alice, { collection: open }), 'submitOffer')
await carol.manage('prepareMint721', mint(carol, open))
await carol.manage('prepareAcceptOffer', { orderId: any, seller: carol.address, tokenId: '3' })
assert.equal(await ask(open, 'ownerOf', [3n]), alice.address)
ok('offers for a token and for any token of a collection are accepted')

// Listings and sales have asked for the approval of one token each.
assert.equal(await ask(open, 'isApprovedForAll', [alice.address, exchange]), false)
await alice.manage('prepareApprove', { contract: open, owner: alice.address, operator: exchange })
assert.equal(await ask(open, 'isApprovedForAll', [alice.address, exchange]), true)
await alice.manage('prepareRevokeApproval', { contract: open, owner: alice.address, operator: exchange })
assert.equal(await ask(open, 'isApprovedForAll', [alice.address, exchange]), false)
ok('an approval is given and taken back')

await Promise.all([creator, second, third, alice, bob, carol, poor].map((person) => person.leave()))
