// Package carrier knows where trunks are reached and whether somebody answers there: the
// addresses that a trunk's names have (RFC 3263), looked up beside and again when their
// time is over, and the health of each, by OPTIONS and by what calls find.
//
// It is not the way there: the proxy, which is its only user, asks it in which order a
// call tries the addresses, tells it what became of that, and sends its OPTIONS.
package carrier
