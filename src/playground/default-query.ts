/** What an empty editor says. */
export const DEFAULT_QUERY = `# Ready-made operations are on the left: choose
# one, fill in its variables below, and press
# Ctrl-Enter (on a Mac also Cmd-Enter).
#
# Ctrl-Space completes what you type; the book
# has the documentation of the API.

query Hello {
  plans {
    name
    description
  }
}
`;
