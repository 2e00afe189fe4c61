// One tab for each thing that a newcomer wants to try.
const tabs = [
  {
    query: `# The chains, and how far each is read.
query Chains {
  chains {
    chainId
    name
    indexStatus { headBlock indexedBlock lagBlocks isLive }
  }
}`,
  },
  {
    query: `# Collections with their first tokens.
query Collections {
  collections(first: 5) {
    nodes {
      name
      address
      standard
      totalSupply
      tokens(first: 3) { nodes { tokenId owner metadataStatus } }
    }
    pageInfo { hasNextPage endCursor }
  }
}`,
  },
  {
    query: `# Sign in, first step: a nonce. Then sign the message with a wallet and call verifySiwe;
# put the access token into the header below: { "authorization": "Bearer …" }.
mutation Nonce {
  issueSiweNonce { nonce domain uri statement chainIds expiresAt }
}`,
  },
  {
    query: `# Prepare a mint: what a wallet signs. Wants an access token.
mutation Mint($collection: ContractRef!, $minter: Address!) {
  prepareMint721(input: { collection: $collection, minter: $minter, quantity: 1, idempotencyKey: "try-1" }) {
    __typename
    ... on PreparedTransaction {
      intent { id status }
      steps { title transaction { to data value gas } }
    }
    ... on Problem { code message }
  }
}`,
    variables: '{\n  "collection": { "chainId": "eip155:31337", "address": "0x…" },\n  "minter": "0x…"\n}',
  },
  {
    query: `# Tokens as they are minted: run it, then \`cargo xtask demo mint --count 5\`.
subscription Tokens {
  tokenUpserted(chainId: "eip155:31337") {
    cursor
    removed
    token { address tokenId owner }
  }
}`,
  },
]

const socketUrl = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`

function fetcher(params, options) {
  const authorization = options?.headers?.authorization ?? options?.headers?.Authorization
  const wsClient = graphqlWs.createClient({
    url: socketUrl,
    lazy: true,
    connectionParams: authorization ? { authorization } : {},
  })
  return GraphiQL.createFetcher({ url: '/graphql', wsClient })(params, options)
}

ReactDOM.createRoot(document.getElementById('graphiql')).render(
  React.createElement(GraphiQL, { fetcher, defaultTabs: tabs, shouldPersistHeaders: false }),
)
