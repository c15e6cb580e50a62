package proxy

import (
	"bytes"
	"slices"

	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// A caller who was told by us that it has to wait has an early dialog with this node (RFC
// 3261 §12.1), beside those with the phones that ring for it.

// earlyAllowed are the methods of requests within such a dialog.
const earlyAllowed = "ACK, BYE, CANCEL, PRACK"

// retryEarly is after how many seconds another offer may be made (§14.2, RFC 3311 §5.2).
const retryEarly = 10

// inEarly is the call's word as one that makes the early dialog: it says where the
// dialog's requests go, and by which proxies (§12.1.1).
func (c *Call) inEarly() answer.Answer {
	a := answer.Answer{Code: c.word.Code, Reason: c.word.Reason, Lines: slices.Clone(c.word.Lines)}
	uri := c.in.records.Hosts.AppendURI(nil, c.origin.hop.transport, c.origin.hop.addr.Addr())
	a.Header("Contact", "<sip:"+string(uri)+">")
	for v := range c.req.All(message.RecordRoute) {
		a.Header("Record-Route", string(v))
	}
	return a
}

// earlyKey finds the call by a request of its early dialog: the Call-ID, and our tag.
func (c *Call) earlyKey() string {
	cseq, _, _ := message.ParseCSeq(c.req.Get(message.CSeq))
	callID := c.req.Get(message.CallID)
	return string(answer.AppendToTag(append(bytes.Clone(callID), ' '), c.sh.tagSeed, callID, cseq))
}

// leaveEarly ends the early dialog, unless a later INVITE of the same Call-ID has it.
func (c *Call) leaveEarly() {
	if key := c.earlyKey(); c.sh.waiting[key] == c {
		delete(c.sh.waiting, key)
	}
}

// early serves a request within an early dialog of ours; false when it is in none.
func (sh *shard) early(m *message.Message, in *packet, key transaction.Key, d *route.Dialog) bool {
	c := sh.waiting[string(d.CallID)+" "+string(d.To)]
	if c == nil || !bytes.Equal(c.req.Tag(message.From), d.From) || string(m.Method) == "ACK" {
		return false
	}
	a := answer.Answer{Code: 200, Reason: "OK"}
	switch method := string(m.Method); method {
	case "PRACK":
		if c.reliable == nil || !c.reliable.means(m) {
			return false
		}
		c.reliable.stop()
		defer c.reliable.more()
	case "BYE":
		defer c.leaves(reasonsOf(m))
	case "INVITE", "UPDATE": // the first offer is not answered yet
		a.Set(500, "The call waits")
		a.Number("Retry-After", retryEarly)
	default:
		a.Set(405, "Method Not Allowed")
		a.Header("Allow", earlyAllowed)
	}
	_ = sh.Open(key, string(m.Method) == "INVITE", in.back(m), nil).Respond(a.Code, sh.answer(m, &a)) // it comes again
	return true
}

// leaves ends the early dialog with us (§15): the caller is not there any more, unless it has
// another one with a phone that rings.
func (c *Call) leaves(reasons [][]byte) {
	if c.try == nil || !c.try.rings() {
		c.canceled(reasons)
	}
}

// rings tells whether a phone has said to the caller that it rings.
func (a *Attempt) rings() bool {
	return slices.ContainsFunc(a.branches, func(b *branch) bool { return b.rang && b.final == nil })
}
