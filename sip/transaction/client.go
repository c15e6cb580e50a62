package transaction

import (
	"bytes"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Client is a client transaction.
type Client struct {
	layer  *Layer
	key    string
	branch string
	invite bool
	to     Sender
	on     func(*message.Message, error)
	over   chan struct{} // closed at the end

	mu      sync.Mutex
	state   clientState
	request []byte // nil once nobody may need it again
	ack     []byte
	cancel  bool          // wanted, or sent
	every   time.Duration // until the next repetition
	again   *time.Timer   // A, E
	end     *time.Timer   // B, F, then D, K, M
}

type clientState uint8

const (
	calling clientState = iota // nothing came back yet
	trying                     // a provisional response came
	won                        // INVITE, 2xx
	done                       // another final response
	gone
)

// Send begins a client transaction with a request whose top Via has the branch.
// on hears of the responses, and of ErrTimeout in their stead; it must not
// wait. It is told a 2xx to an INVITE each time that comes. An error says that
// the network refused the request and there is no transaction.
func (l *Layer) Send(branch, method string, to Sender, request []byte, on func(*message.Message, error)) (*Client, error) {
	c := &Client{layer: l, key: branch + " " + method, branch: branch, invite: method == "INVITE", to: to, on: on, over: make(chan struct{}), request: request}
	l.clients.add(c.key, c)
	c.mu.Lock()
	if c.every = l.t.T1; !to.Reliable() {
		c.again = time.AfterFunc(c.every, c.repeat)
	}
	c.end = time.AfterFunc(64*l.t.T1, c.timeout)
	c.mu.Unlock()
	if err := to.Send(request); err != nil {
		c.Terminate()
		return nil, err
	}
	return c, nil
}

// repeat is timers A and E.
func (c *Client) repeat() {
	c.mu.Lock()
	if c.state != calling && (c.invite || c.state != trying) {
		c.mu.Unlock()
		return
	}
	c.every *= 2
	if !c.invite {
		c.every = min(c.every, c.layer.t.T2)
	}
	c.again.Reset(c.every)
	request := c.request
	c.mu.Unlock()
	_ = c.to.Send(request) // lost or not, it goes again
}

// timeout is timers B and F, and the end of an INVITE whose CANCEL was not heeded.
func (c *Client) timeout() {
	c.mu.Lock()
	open, on := c.state == calling || c.state == trying, c.on
	c.terminate()
	c.mu.Unlock()
	if open {
		on(nil, ErrTimeout)
	}
}

// receive is RFC 3261 figures 5 and 6, with RFC 6026 figure 2.
func (c *Client) receive(res *message.Message) {
	c.mu.Lock()
	on := c.on
	tell, out, cancel := c.step(res)
	if c.state >= done {
		c.on = nil // what it holds may be large, and this lasts
	}
	c.mu.Unlock()
	if out != nil {
		_ = c.to.Send(out) // the response comes again
	}
	if cancel != nil {
		c.sendCancel(cancel)
	}
	if tell {
		on(res, nil)
	}
}

// step returns whether the response goes up, the ACK to send, and the CANCEL
// that waited for a provisional response.
func (c *Client) step(res *message.Message) (tell bool, ack, cancel []byte) {
	switch {
	case c.state == won:
		return res.Status/100 == 2, nil, nil
	case c.state == done:
		return false, c.ack, nil
	case c.state == gone:
		return false, nil, nil
	case res.Status < 200:
		return true, nil, c.provisional()
	}
	stop(c.again)
	stop(c.end)
	t := &c.layer.t
	switch {
	case c.invite && res.Status < 300:
		c.state, c.request = won, nil
		c.endAfter(64 * t.T1)
	case c.invite:
		c.state = done
		ack = c.hop("ACK", res.Get(message.To))
		c.ack, c.request = ack, nil
		c.linger(64 * t.T1)
	default:
		c.state, c.request = done, nil
		c.linger(t.T4)
	}
	return true, ack, nil
}

func (c *Client) provisional() (cancel []byte) {
	first := c.state == calling
	c.state = trying
	if !c.invite {
		c.every = c.layer.t.T2
		return nil
	}
	if first {
		stop(c.again)
		stop(c.end)
		if c.cancel {
			return c.canceled()
		}
	}
	return nil
}

// linger stays to meet repetitions, which a reliable transport does not have.
func (c *Client) linger(d time.Duration) {
	if c.to.Reliable() {
		c.terminate()
		return
	}
	c.endAfter(d)
}

func (c *Client) endAfter(d time.Duration) { c.end = time.AfterFunc(d, c.timeout) }

func (c *Client) hop(method string, to []byte) []byte {
	var m message.Message
	_ = m.ParseTidy(bytes.Clone(c.request)) // our own
	if to == nil {
		to = m.Get(message.To)
	}
	return m.AppendHopRequest(nil, method, to)
}

// Cancel cancels an INVITE: at once, or when its first provisional response
// comes (RFC 3261 §9.1). Its final response is told as ever; ErrTimeout when
// none comes.
func (c *Client) Cancel() {
	c.mu.Lock()
	var cancel []byte
	if c.invite && !c.cancel && c.state <= trying {
		c.cancel = true
		if c.state == trying {
			cancel = c.canceled()
		}
	}
	c.mu.Unlock()
	if cancel != nil {
		c.sendCancel(cancel)
	}
}

// canceled makes the CANCEL and gives the final response a limit again.
func (c *Client) canceled() []byte {
	c.endAfter(64 * c.layer.t.T1)
	return c.hop("CANCEL", nil)
}

func (c *Client) sendCancel(b []byte) {
	// What is answered to the CANCEL says nothing about the INVITE.
	_, _ = c.layer.Send(c.branch, "CANCEL", c.to, b, func(*message.Message, error) {})
}

// Done is closed when the transaction has ended.
func (c *Client) Done() <-chan struct{} { return c.over }

// Terminate ends the transaction without a word.
func (c *Client) Terminate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.terminate()
}

func (c *Client) terminate() {
	if c.state == gone {
		return
	}
	c.state, c.request, c.ack = gone, nil, nil
	close(c.over)
	stop(c.again)
	stop(c.end)
	c.layer.clients.drop(c.key)
}
