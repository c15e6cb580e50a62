// Package peer carries SIP between the nodes of a cluster: on streams of the
// cluster port, so inside the nodes' mutual TLS, of any size, and past whatever
// loses datagrams between sites. It knows no SIP: messages are bytes with a
// length. Package sip gives it the roster and takes what arrives.
//
// Two nodes are a pair with several streams; the one whose id is less dials them
// and both write to them. What is sent together takes one on which nothing is under
// way, so that it goes out with one system call and a lost packet on a long line holds
// up the calls of one stream; what belongs to a Call-ID stays in order (lanes.go).
//
// A stream opens, behind the preamble of the cluster port, with a greeting: a
// version, the number of the stream, the id of who dials, the id of who is meant.
// The answer is one byte, 0 for welcome. Then both sides send frames: the length
// in four bytes, most significant first, and the message.
//
// Nothing here waits for a peer. What is sent is written at once, or behind what
// the connection has not taken yet, up to a bound. One thread reads all streams, the
// one that reads datagrams where there is one: a thread that wakes costs more than
// what it is woken for (reader_linux.go). When a stream ends nobody knows
// what of it has arrived: Config.Changed is told, and whoever still waits for an
// answer asks again. Without a stream a message is refused; but for a moment after
// a peer was heard of it waits for the streams to come. That streams end says
// nothing about whether a peer is heard.
package peer
