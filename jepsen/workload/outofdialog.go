package workload

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// OutOfDialog is a telephone that sends requests outside of calls to the DNs of
// the cluster by way of one node, in whose site it stands.
type OutOfDialog struct {
	*Site
	DN, Password string
	Node         *cluster.Node
	// DNs to ask, and Unknown, which nobody configured.
	DNs     []string
	Unknown string
	// Every is the mean time between two requests.
	Every time.Duration
}

// outOfDialogMethods are what a phone may be sent outside of a call.
var outOfDialogMethods = []string{"MESSAGE", "MESSAGE", "OPTIONS", "INFO", "REFER", "SUBSCRIBE", "NOTIFY"}

// outOfDialogWithin is how long it waits: longer than a node may take for another one's DN.
const outOfDialogWithin = 6 * time.Second

// Run asks until ctx ends. Several requests are under way at a time, so that
// one that is lost does not keep the others waiting.
func (w *OutOfDialog) Run(ctx context.Context) error {
	place := w.Node.Phones()
	r := w.random("outofdialog-" + w.DN)
	free := make(chan *siptest.Phone, 8)
	for range cap(free) {
		err := place.Visit(func() error {
			p, err := siptest.NewPhone(siptest.Config{
				DN: w.DN, Password: w.Password, Domain: w.Realm, Local: place.IP().String(), Server: w.Node.Addr(cluster.SIP).String(),
			})
			if err == nil {
				free <- p
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for pause(ctx, between(r, w.Every/2, w.Every*3/2)) {
		p := <-free
		op := w.choose(r)
		go func() { w.ask(ctx, p, op); free <- p }()
	}
	for range cap(free) {
		(<-free).Close()
	}
	return nil
}

func (w *OutOfDialog) choose(r *rand.Rand) history.Op {
	op := history.Op{Kind: history.OutOfDialog, Node: w.Node.Name(), Home: w.Node.Name(), From: outOfDialogMethods[r.IntN(len(outOfDialogMethods))]}
	if op.Key = w.DNs[r.IntN(len(w.DNs))]; r.IntN(20) == 0 {
		op.Key, op.Arg = w.Unknown, history.Nobody
	}
	return op
}

// outOfDialogHeader names the operation, so that the phone's record does too.
const outOfDialogHeader = "X-Out-Of-Dialog"

// heard records that a request arrived at the phone of the handset. What was
// meant for an earlier phone at its address is none of its own.
func (w *Phone) heard(h *handset, m *siptest.Message) {
	id := m.Header(outOfDialogHeader)
	if id == "" || !strings.HasPrefix(m.URI, "sip:"+w.DN+"@") {
		return
	}
	op := w.Record.Invoke(history.Op{
		Kind: history.Arrival, Process: h.process + "/arrivals", Node: h.node.Name(), Home: h.site.Name(), Key: w.DN, From: m.Method, Arg: id,
	})
	op.Outcome = history.OK
	w.Record.Return(op)
}

func (w *OutOfDialog) ask(ctx context.Context, p *siptest.Phone, op history.Op) {
	op.Process = "outofdialog-" + w.DN + "-" + p.Addr()
	op = w.Record.Invoke(op)
	uri := "sip:" + op.Key + "@" + w.Realm
	req := siptest.Request{Method: op.From, URI: uri, To: "<" + uri + ">", Headers: []string{outOfDialogHeader + ": " + strconv.FormatInt(op.ID, 10)}}
	if op.From == "REFER" {
		req.Headers = append(req.Headers, "Refer-To: <sip:"+w.DN+"@"+w.Realm+">", "Contact: <"+p.Contact()+">")
	}
	ctx, cancel := patience(ctx, outOfDialogWithin)
	defer cancel()
	res, err := p.Do(ctx, req)
	w.Record.Return(answered(op, res, err, func(code int) bool {
		return code == 501 || success(code) // the phone's own answer, or the node's to OPTIONS
	}))
}
