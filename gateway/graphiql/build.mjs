// Copies the page and what it loads into one flat folder: `node build.mjs FOLDER`, after `npm ci`.
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const target = process.argv[2]
if (!target) throw new Error('say where the files go: node build.mjs FOLDER')
mkdirSync(target, { recursive: true })
const files = [
  'node_modules/react/umd/react.production.min.js',
  'node_modules/react-dom/umd/react-dom.production.min.js',
  'node_modules/graphql-ws/umd/graphql-ws.min.js',
  'node_modules/graphiql/graphiql.min.js',
  'node_modules/graphiql/graphiql.min.css',
  ...readdirSync(join(here, 'page')).map((name) => `page/${name}`),
]
for (const file of files) copyFileSync(join(here, file), join(target, basename(file)))
console.log(`graphiql: ${files.length} files in ${target}`)
