// Sends mints one by one and listens to them, coming back after its last cursor whenever the socket breaks.
// Speaks JSON lines on its standard output: {"ready"}, {"sent": n}, and at the end what it saw.
import { createClient } from 'graphql-ws'
import { createPublicClient, createWalletClient, defineChain, http, parseAbi } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import WebSocket from 'ws'

const gateway = process.env.VITRINE_GATEWAY_URL
const node = process.env.VITRINE_RPC_URL
const [contract, countText, everyText, patienceText] = process.argv.slice(2)
const count = Number(countText)
const every = Number(everyText)
const patience = Number(patienceText)
const say = (line) => console.log(JSON.stringify(line))
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const account = mnemonicToAccount('test test test test test test test test test test test junk', {
  addressIndex: Number(process.env.VITRINE_DEMO_KEY ?? 4),
})
const chain = defineChain({
  id: 31337,
  name: 'Local',
  nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [node] } },
})
const wallet = createWalletClient({ account, chain, transport: http(node) })
const reader = createPublicClient({ chain, transport: http(node) })
const abi = parseAbi(['function mint(address to, uint256 quantity, uint256 stageId, bytes32[] proof) payable'])

// Every delivery: token id -> how often it was told that it was minted; cursors to see that none comes twice.
const minted = new Map()
const cursors = new Map()
let breaks = 0
let ended = false
let begun = () => {}
const first = new Promise((resolve) => (begun = resolve))

async function listen() {
  let after = null
  let refused
  while (!ended) {
    const socket = createClient({
      url: `${gateway.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      keepAlive: 5_000,
    })
    const query = `subscription ($contract: Address!, $after: String) {
      tokenUpserted(chainId: "eip155:31337", contract: $contract, after: $after) {
        cursor removed changed token { tokenId }
      }
    }`
    socket.on('connected', () => setTimeout(begun, 500))
    try {
      for await (const message of socket.iterate({ query, variables: { contract, after } })) {
        if (message.errors) throw new Error(JSON.stringify(message.errors))
        const { cursor, changed, token } = message.data.tokenUpserted
        after = cursor
        cursors.set(cursor, (cursors.get(cursor) ?? 0) + 1)
        if (changed.includes('minted')) minted.set(token.tokenId, (minted.get(token.tokenId) ?? 0) + 1)
      }
    } catch (err) {
      const why = String(err?.message ?? err?.reason ?? JSON.stringify(err))
      // Told to resume, one resumes. Where that is refused too, the delivery log is gone: a page would load its list
      // anew; this one goes on from now.
      if (why.includes('CURSOR_EXPIRED')) {
        if (refused === after) after = null
        refused = after
      }
      if (!ended) say({ broke: why.slice(0, 200) })
    }
    breaks += 1
    await socket.dispose()
    await pause(200)
  }
}
listen()
await first
say({ ready: true })

let nonce = await reader.getTransactionCount({ address: account.address, blockTag: 'pending' })
for (let sent = 1; sent <= count; sent += 1) {
  await wallet.writeContract({
    address: contract,
    abi,
    functionName: 'mint',
    args: [account.address, 1n, 0n, []],
    nonce: nonce++,
    gas: 300_000n,
  })
  say({ sent })
  await pause(every)
}
const deadline = Date.now() + patience
let told = false
process.stdin.once('data', () => (told = true))
while (minted.size < count && Date.now() < deadline && !told) await pause(100)
say({ waiting: minted.size })
// The other side looks at chain and rows meanwhile: what would come twice comes now.
while (!told) await pause(100)
ended = true
say({
  tokens: [...minted.keys()].map(Number).sort((a, b) => a - b),
  twice: [...minted.values()].filter((times) => times > 1).length,
  cursorsTwice: [...cursors.values()].filter((times) => times > 1).length,
  breaks,
})
process.exit(0)
