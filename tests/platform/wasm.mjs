// Runs a program for WASI, or for no system at all: node wasm.mjs PROGRAM
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const program = await WebAssembly.compile(await readFile(process.argv[2]));
if (WebAssembly.Module.imports(program).length > 0) {
  const wasi = new WASI({ version: "preview1", args: ["platform"], env: {}, preopens: {} });
  process.exit(wasi.start(await WebAssembly.instantiate(program, wasi.getImportObject())));
}
// The program cannot print anything. A panic is a trap, which is an error here.
const { exports } = await WebAssembly.instantiate(program, {});
process.exit(exports.main(0, 0));
