package transaction

import (
	"bytes"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Client is a client transaction.
type Client struct {
	layer   *Layer
	key     Key
	branch  string
	invite  bool
	waits   bool     // for a way, when there is none
	cancel  bool     // wanted, or sent
	reasons [][]byte // of the CANCEL
	acked   bool     // the ACK of the 2xx passed
	anew    bool     // it went by a second connection
	state   clientState
	to      Sender
	on      func(*message.Message, error)
	over    chan struct{} // closed at the end; nil while nobody asked

	request []byte // nil once nobody may need it again
	ack     []byte
	every   time.Duration // until the next repetition
	again   Alarm         // A, E
	end     Alarm         // B, F, then D, K, M
}

type clientState uint8

const (
	calling clientState = iota // nothing came back yet
	trying                     // a provisional response came
	won                        // INVITE, 2xx
	done                       // another final response
	gone
)

// The alarms of a transaction.
const (
	alarmAgain = iota
	alarmEnd
)

// Send begins a client transaction with a request whose top Via has the branch;
// the request is copied. on hears of the responses, which it may not keep, and
// of ErrTimeout or ErrUnsent instead; it must not wait. It is told a 2xx
// to an INVITE each time that comes. An error says that the network refused the
// request at once and there is no transaction. A BYE or CANCEL to who may be sent it
// again waits for a way, until timer F.
func (l *Layer) Send(branch, method string, to Sender, request []byte, on func(*message.Message, error)) (*Client, error) {
	waits := (method == "BYE" || method == "CANCEL") && to.Reliable() && to.Resent()
	if err := to.Send(request); err != nil && !waits {
		return nil, err
	}
	var buf [96]byte
	c := &Client{layer: l, key: clientKey(buf[:0], branch, method), branch: branch, invite: method == "INVITE", waits: waits, to: to, on: on, request: l.texts.keep(request)}
	c.again = Alarm{Layer: l, Handler: c, What: alarmAgain}
	c.end = Alarm{Layer: l, Handler: c, What: alarmEnd}
	l.clients[c.key] = c
	if c.every = l.t.T1; !to.Reliable() {
		c.again.Set(c.every)
	}
	c.end.Set(64 * l.t.T1)
	return c, nil
}

// Fire implements AlarmHandler.
func (c *Client) Fire(what uint8) {
	if what == alarmAgain {
		c.repeat()
		return
	}
	c.fail(ErrTimeout)
}

// repeat is timers A and E.
func (c *Client) repeat() {
	if c.state != calling && (c.invite || c.state != trying) {
		return
	}
	c.every *= 2
	if !c.invite {
		c.every = min(c.every, c.layer.t.T2)
	}
	c.again.Set(c.every)
	_ = c.to.Send(c.request) // lost or not, it goes again
}

// fail ends the transaction: timers B and F, the end of an INVITE whose CANCEL
// was not heeded, or a network that refused. It is told unless there was a
// final response.
func (c *Client) fail(err error) {
	open, on := c.state == calling || c.state == trying, c.on
	c.Terminate()
	if open {
		on(nil, err)
	}
}

// resend sends the request again, but for an INVITE that a CANCEL has followed.
func (c *Client) resend() {
	if c.cancel && c.state == trying {
		return
	}
	if err := c.to.Send(c.request); err != nil && !c.waits {
		c.unsent()
	}
}

// cutOff is the end of the connection. What comes of a canceled INVITE is in the hands of
// the CANCEL.
func (c *Client) cutOff(stood bool) {
	switch {
	case stood && c.cancel && c.state == trying:
		return
	case stood && !c.anew:
		c.anew = true
		if c.to.Send(c.request) == nil {
			return
		}
	}
	c.fail(ErrUnsent)
}

func (c *Client) unsent() {
	if c.state == calling {
		c.fail(ErrUnsent)
	}
}

// receive is RFC 3261 figures 5 and 6, with RFC 6026 figure 2.
func (c *Client) receive(res *message.Message) {
	on := c.on
	tell := c.step(res)
	if c.state >= done {
		c.on = nil // what it holds may be large, and this lasts
	}
	if tell {
		on(res, nil)
	}
}

// step tells whether the response goes up.
func (c *Client) step(res *message.Message) (tell bool) {
	switch {
	case c.state == won:
		if c.acked && res.Status/100 == 2 {
			c.end.Set(c.layer.t.T4) // the ACK was lost, and another one comes
		}
		return res.Status/100 == 2
	case c.state == done:
		if c.ack != nil {
			_ = c.to.Send(c.ack) // the response comes again
		}
		return false
	case c.state == gone:
		return false
	case res.Status < 200:
		c.provisional()
		return true
	}
	c.again.Stop()
	t := &c.layer.t
	switch {
	case c.invite && res.Status < 300:
		c.state, c.request = won, c.layer.texts.drop(c.request)
		c.end.Set(64 * t.T1)
	case c.invite:
		c.state = done
		c.ack = c.hop("ACK", res.Get(message.To))
		c.request = c.layer.texts.drop(c.request)
		_ = c.to.Send(c.ack) // the response comes again
		c.linger(64 * t.T1)
	default:
		c.state, c.request = done, c.layer.texts.drop(c.request)
		c.linger(t.T4)
	}
	return true
}

func (c *Client) provisional() {
	first := c.state == calling
	c.state = trying
	if !c.invite {
		c.every = c.layer.t.T2
		return
	}
	if first {
		c.again.Stop()
		c.end.Stop()
		if c.cancel {
			c.sendCancel()
		}
	}
}

// linger stays to meet repetitions, which a reliable transport does not have.
func (c *Client) linger(d time.Duration) {
	if c.to.Reliable() {
		c.Terminate()
		return
	}
	c.end.Set(d)
}

func (c *Client) hop(method string, to []byte, reasons ...[]byte) []byte {
	var m message.Message
	_ = m.ParseTidy(bytes.Clone(c.request)) // our own
	if to == nil {
		to = m.Get(message.To)
	}
	return m.AppendHopRequest(nil, method, to, reasons...)
}

// Cancel cancels an INVITE: at once, or when its first provisional response
// comes (RFC 3261 §9.1). Its final response is told as ever; ErrTimeout when
// none comes. reasons are why (RFC 3326), values of Reason headers.
func (c *Client) Cancel(reasons ...[]byte) {
	if !c.invite || c.cancel || c.state > trying {
		return
	}
	c.reasons = reasons
	if c.cancel = true; c.state == trying {
		c.sendCancel()
	}
}

// sendCancel sends the CANCEL and gives the final response a limit again.
func (c *Client) sendCancel() {
	c.end.Set(64 * c.layer.t.T1)
	// What is answered to the CANCEL says nothing about the INVITE.
	_, _ = c.layer.Send(c.branch, "CANCEL", c.to, c.hop("CANCEL", nil, c.reasons...), func(*message.Message, error) {})
}

// Acked says that the ACK of a 2xx passed: when it arrived the 2xx comes no more,
// and when it did not the next one comes within T2, which is less than T4.
func (c *Client) Acked() {
	if c.state == won {
		c.acked = true
		c.end.Set(c.layer.t.T4)
	}
}

// Done is closed when the transaction has ended.
func (c *Client) Done() <-chan struct{} {
	if c.over == nil {
		c.over = make(chan struct{})
		if c.state == gone {
			close(c.over)
		}
	}
	return c.over
}

// Terminate ends the transaction without a word.
func (c *Client) Terminate() {
	if c.state == gone {
		return
	}
	c.state, c.request, c.ack, c.on = gone, c.layer.texts.drop(c.request), nil, nil
	if c.over != nil {
		close(c.over)
	}
	c.again.Stop()
	c.end.Stop()
	delete(c.layer.clients, c.key)
}
