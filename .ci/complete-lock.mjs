// Completes package-lock.json after `npm install`; run it with `npm run lock`.
//
// `npm ci` calls a lock file out of sync when it lacks an optional package for another platform, and npm leaves out
// those that the registry in use does not offer. And npm 10 would compile better-sqlite3, which brings its binaries,
// because a lock file does not repeat the `gypfile: false` of the package.
import { readFileSync, writeFileSync } from "node:fs"

const lock = JSON.parse(readFileSync("package-lock.json", "utf8"))
const { packages } = lock

const isLocked = (from, name) => {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("node_modules/") - 1))) {
    if (`${at}${at === "" ? "" : "/"}node_modules/${name}` in packages) return true
    if (at === "") return false
  }
}

const systems = ["android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"]
const processors = ["arm64", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64", "arm"]

const platform = (name) => {
  const cpu = processors.find((it) => name.includes(it))
  const os = systems.find((it) => name.includes(it))
  const libc = name.includes("musl") ? "musl" : os === "linux" && name.includes("gnu") ? "glibc" : undefined
  return { ...(cpu && { cpu: [cpu] }), ...(libc && { libc: [libc] }), ...(os && { os: [os] }) }
}

for (const [from, { dev, optionalDependencies = {}, peer }] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    if (isLocked(from, name)) continue
    if (!/^\d/.test(version)) throw new Error(`${from} wants ${name} ${version}: which version?`)
    packages[`node_modules/${name}`] = {
      version,
      ...platform(name),
      ...(dev && { dev }),
      optional: true,
      ...(peer && { peer })
    }
    console.log(`added ${name} ${version}`)
  }
}
packages["node_modules/better-sqlite3"].gypfile = false

lock.packages = Object.fromEntries(Object.entries(packages).sort(([one], [other]) => one.localeCompare(other, "en")))
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`)
