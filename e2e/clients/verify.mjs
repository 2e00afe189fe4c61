// Checks signed messages as sites do it in Node, and says what CPU time one check takes. On its input
// {"good": [{message, signature, address}], "bad": [...]}; on its output one object for each package.
import { text } from 'node:stream/consumers'
import { SiweMessage } from 'siwe'
import { parseSiweMessage, validateSiweMessage } from 'viem/siwe'
import { verifyMessage } from 'viem/utils'

const { good, bad } = JSON.parse(await text(process.stdin))

async function viem({ message, signature, address }) {
  const parsed = parseSiweMessage(message)
  if (!validateSiweMessage({ message: parsed, address, nonce: parsed.nonce })) return false
  return verifyMessage({ address, message, signature })
}

async function siwe({ message, signature }) {
  const { success } = await new SiweMessage(message).verify({ signature }, { suppressExceptions: true })
  return success
}

async function count(check, all, wanted) {
  let found = 0
  for (const one of all) found += (await check(one).catch(() => false)) === wanted ? 1 : 0
  return found
}

const results = []
for (const [name, check] of [['viem', viem], ['siwe', siwe]]) {
  // The compiler has seen it all before anything is counted.
  await count(check, good, true)
  const before = process.cpuUsage()
  const accepted = await count(check, good, true)
  const used = process.cpuUsage(before)
  const refused = await count(check, bad, false)
  results.push({ name, accepted, refused, micros: (used.user + used.system) / good.length })
}
console.log(JSON.stringify(results))
