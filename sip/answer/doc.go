// Package answer is what the node says to a request: status and header lines,
// which each way in writes in its own manner, and the counts of what was said
// and done (Stats). It decides nothing and sends nothing; gate, registrar,
// guard and proxy fill it.
package answer
