// An endpoint that is asked first and cannot be relied on: it limits, hangs, breaks, serves another chain, lags, or refuses
// ranges, all by turns. Mints end READY all the same, and it is asked again once it behaves.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { node } from './door.mjs'
import { newcomer, ok, pause } from './person.mjs'

let way = 'well'
let asked = []
const answered = (response, status, body, headers = {}) =>
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
const said = (id, rest) => JSON.stringify({ jsonrpc: '2.0', id, ...rest })
const forward = async (body) =>
  (await fetch(node, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json()

/** What it does to one request, by its way; undefined where it passes it on. */
const WAYS = {
  limits: (response) => answered(response, 429, said(null, { error: { code: 429, message: 'too many requests' } }), { 'retry-after': '1' }),
  hangs: () => true,
  breaks: (response) => answered(response, 502, '<html>bad gateway</html>'),
  other: (response, one) => one.method === 'eth_chainId' && answered(response, 200, said(one.id, { result: '0x1' })),
  lags: async (response, one) => {
    const behind = async () => `0x${(Number((await forward({ jsonrpc: '2.0', id: 1, method: 'eth_blockNumber', params: [] })).result) - 30).toString(16)}`
    if (one.method === 'eth_blockNumber') return answered(response, 200, said(one.id, { result: await behind() }))
    if (one.params?.includes('latest') || one.params?.includes('pending')) {
      const number = await behind()
      const params = one.params.map((param) => (param === 'latest' || param === 'pending' ? number : param))
      return answered(response, 200, JSON.stringify(await forward({ ...one, params })))
    }
    // What happened since, it has not seen.
    if (/Receipt|TransactionByHash/.test(one.method)) return answered(response, 200, said(one.id, { result: null }))
    return undefined
  },
  ranges: (response, one) => one.method === 'eth_getLogs' &&
    answered(response, 200, said(one.id, { error: { code: -32005, message: 'query returned more than 10000 results' } })),
}

const server = createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', async () => {
    try {
      const body = JSON.parse(Buffer.concat(chunks))
      const first = Array.isArray(body) ? body[0] : body
      asked.push(first.method)
      if (await WAYS[way]?.(response, first)) return
      answered(response, 200, JSON.stringify(await forward(body)))
    } catch {
      response.destroy()
    }
  })
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
console.log(`endpoint http://127.0.0.1:${server.address().port}`)
await lines.next()

const creator = await newcomer()
const collection = await creator.create('ERC721', [{ kind: 'PUBLIC', priceRaw: '1000' }])
const isAskedAgain = async () => {
  asked = []
  for (const deadline = Date.now() + 20_000; asked.length < 20; await pause(50)) assert.ok(Date.now() < deadline, `it is asked ${asked.length} times`)
}
await isAskedAgain()
for (const next of Object.keys(WAYS)) {
  way = next
  asked = []
  const who = await newcomer()
  const begun = Date.now()
  // What lives in the past does not know the collection until it is found out.
  const mint = { collection, minter: who.address, quantity: 1 }
  while ((await who.tryTo('prepareMint721', mint)).code === 'CONTRACT_UNKNOWN') {
    assert.ok(Date.now() - begun < 10_000, `${next}: it is not left after 10 s`)
    await pause(100)
  }
  await who.manage('prepareMint721', mint)
  await who.leave()
  const took = Date.now() - begun
  assert.ok(took < 20_000, `${next}: ${took} ms`)
  const turns = asked.length
  way = 'well'
  const back = Date.now()
  await isAskedAgain()
  ok(`${next}: a mint is READY after ${took} ms (it was asked ${turns} times), and it is back after ${Date.now() - back} ms`)
}
await creator.leave()
console.log('done')
await lines.next()
process.exit(0)
