// Prints the package.json of a project that uses the tarball: the versions are those that are installed here.
import { readFileSync } from "node:fs"

const [tarball, example] = process.argv.slice(2)
const read = (path) => JSON.parse(readFileSync(path, "utf8"))
const { allowScripts, overrides, peerDependencies } = read("package.json")

const imported = [...readFileSync(example, "utf8").matchAll(/from "((?:@[^/"]+\/)?[^/"]+)/g)].map(([, name]) => name)
const names = new Set([...imported, ...Object.keys(peerDependencies), "@types/node", "typescript"])
names.delete("effect-remotes")
const versions = [...names].sort().map((name) => [name, read(`node_modules/${name}/package.json`).version])

const project = {
  private: true,
  type: "module",
  dependencies: { "effect-remotes": `file:${tarball}`, ...Object.fromEntries(versions) },
  overrides,
  allowScripts
}
console.log(JSON.stringify(project, null, 2))
