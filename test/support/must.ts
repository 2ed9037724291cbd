import { assert } from "@effect/vitest"

/**
 * Asserts what is checked millions of times in a run: `assert` looks at the stack and writes its message out even where all is well,
 * which takes longer than what is tested.
 */
export const must: (holds: boolean, message: string, about?: object) => asserts holds = (holds, message, about) => {
  if (!holds) assert.fail(about === undefined ? message : `${message}: ${JSON.stringify(about)}`)
}
