// Package tlib is the client of a node's T-Library port: what a Stat Server, a
// desktop gateway or a router in Go is made with. The protocol is
// api/tlibpb/tlib.proto; this package adds the session, the pairing of answers
// with requests, and the way back after a lost connection.
//
// A request is a method that returns its answer. Everything else that the node
// says, what happens to the DNs that are registered or monitored, comes from
// Next or Events, in order. An answer is returned by its method only: the
// session that makes an agent ready does not hear of it a second time.
//
// # Slow readers
//
// Events wait in a queue of Options.Queue. When it is full the client reads no
// more from the node, so its memory is bounded; the node then tells several
// changes of a DN as the last of them, and ends the session when nothing is
// read for 10 s. Answers come on the same stream. They pass the queue, but not
// a full one: a method then waits until there is room or its context ends. So
// read the events, and give requests a deadline.
//
// # Lost connections
//
// A connection on which nothing arrives for 3 s is given up: a node says
// something every second. The client then queues an EventLinkDisconnected, dials
// the node's addresses in turn until one answers, and queues that node's
// EventLinkConnected. When the session is resumed there, what happened meanwhile
// follows, and no registration was lost. Otherwise the client registers and
// monitors again what it had: the answers come as events, EventRegistered with
// the present status of each DN, EventError for what is not possible any more.
// Requests that were on their way fail with ErrUnknownOutcome, and what is asked
// while there is no connection with ErrNotConnected.
package tlib

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlibpb"
)

const (
	// silence is how long a node may say nothing: it speaks every second.
	silence = 3 * time.Second
	// dialWithin bounds one attempt to connect again.
	dialWithin = 3 * time.Second
	// closeWithin is how long Close waits for the node.
	closeWithin = time.Second
)

// Options of a Client. The zero value is of use.
type Options struct {
	// Application is what the node's operator reads in its log, of up to 64
	// bytes; "tlib" when empty.
	Application string
	// More are the addresses of further nodes, HOST:PORT. They are tried in order
	// when the one before does not answer.
	More []string
	// NoReconnect ends the Client with its first connection.
	NoReconnect bool
	// Queue is how many events may wait to be read; 1024 when 0.
	Queue int
	// DialOptions are added to those of the connection, credentials for
	// instance; without any the connection is in clear, as a TCport is.
	DialOptions []grpc.DialOption
}

// Client is one application's session with a node. Its methods may be called by
// many goroutines at once; Next and Events by one.
type Client struct {
	opts  Options
	addrs []string
	queue chan *tlibpb.Event
	// cancel ends everything; closing is closed when the user has had enough;
	// ended is closed behind the last event, when err says why there are no more.
	cancel  context.CancelFunc
	closing chan struct{}
	ended   chan struct{}
	close   sync.Once
	err     error

	mu sync.Mutex
	// cur is the session, nil while there is no connection.
	cur    *session
	server *tlibpb.ServerInfo
	// capabilities of that node.
	capabilities []tlibpb.Capability
	memory       memory
	// ref is the last request's.
	ref uint64
	// first is the address that is tried first.
	first int
}

// Dial opens a session with the node at addr, HOST:PORT of its TCport or default
// port, or with the first of Options.More that answers, and waits for
// EventLinkConnected. ctx bounds the dialling alone: Close ends the Client. When
// the node refuses the session the error wraps an *Error.
func Dial(ctx context.Context, addr string, opts Options) (*Client, error) {
	if opts.Application == "" {
		opts.Application = "tlib"
	}
	if opts.Queue <= 0 {
		opts.Queue = 1024
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &Client{
		opts: opts, addrs: append([]string{addr}, opts.More...), queue: make(chan *tlibpb.Event, opts.Queue),
		cancel: cancel, closing: make(chan struct{}), ended: make(chan struct{}),
		memory: memory{dns: map[string]tlibpb.AddressMode{}},
	}
	var failed []error
	for i := range c.addrs {
		s, _, err := c.open(ctx, life, i)
		if err == nil {
			go c.run(life, s)
			return c, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	cancel()
	if len(failed) == 1 {
		return nil, failed[0]
	}
	return nil, errors.Join(failed...)
}

// Server is what the node said of itself when the session opened last. Nodes is
// as it was then: QueryServer asks anew.
func (c *Client) Server() *tlibpb.ServerInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	return proto.CloneOf(c.server)
}

// Can tells whether the node at which the session opened last has the capability.
func (c *Client) Can(what tlibpb.Capability) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.capabilities, what)
}

// Close ends the session: what it registered ends with it, at once when the
// node has no grace for its clients. Events that are queued can still be read. It
// always returns nil.
func (c *Client) Close() error {
	c.close.Do(func() {
		close(c.closing)
		hard := time.AfterFunc(closeWithin, c.cancel)
		<-c.ended
		hard.Stop()
		c.cancel()
	})
	<-c.ended
	return nil
}

// EventName is the T-Library's name of a message: EventDNBackInService.
func EventName(m tlibpb.Message) string {
	var b strings.Builder
	for word := range strings.SplitSeq(strings.TrimPrefix(m.String(), "MESSAGE_"), "_") {
		switch word {
		case "DN", "DND":
			b.WriteString(word)
		default:
			b.WriteString(word[:1] + strings.ToLower(word[1:]))
		}
	}
	return b.String()
}

// ErrorName is the T-Library's name of an error code: RESOURCE_SEIZED.
func ErrorName(c tlibpb.ErrorCode) string { return strings.TrimPrefix(c.String(), "ERROR_CODE_") }
