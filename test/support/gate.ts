/** A latch: `passed` is pending until `pass` is called. */
export interface Gate<Value = void> {
  passed: Promise<Value>;
  pass: (value: Value) => void;
}

export function createGate<Value = void>(): Gate<Value> {
  let pass: (value: Value) => void = () => {};
  const passed = new Promise<Value>((resolve) => {
    pass = resolve;
  });
  return { passed, pass: (value) => pass(value) };
}
