package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/sip/carrier"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// optionsTime is how long a trunk may take to answer OPTIONS, which goes out again within.
const optionsTime = 4 * time.Second

// errNoHost says that a name has led to an address that can't be configured either.
var errNoHost = errors.New("the address is that of no one host")

// inquiry is an OPTIONS to a trunk.
type inquiry struct {
	sh       *shard
	client   *transaction.Client
	alarm    transaction.Alarm
	to       hop
	answered func(error)
}

// inquire asks a trunk by OPTIONS whether it is there. What says that it takes no calls
// (503), and what another one says that did not reach it (408), is no word of it.
func (p *Proxy) inquire(w carrier.Way, answered func(error)) {
	sh := p.shards.list[rand.IntN(shardCount)]
	realm := p.trunks.machine.View().Options().GetRealm()
	to, id := p.exits.carrier(w), newBranch(base32(0))
	sh.Lock()
	defer sh.Unlock()
	m := ownRequest{
		method: "OPTIONS", uri: []byte("sip:" + w.Host), from: []byte("<sip:" + realm + ">;tag=" + id[len(id)-8:]), to: []byte("<sip:" + w.Host + ">"),
		callID: []byte(p.shards.idOf(sh)), cseq: 1, via: sh.via(to, id),
	}
	q := &inquiry{sh: sh, to: *to, answered: answered}
	q.alarm = transaction.Alarm{Layer: sh.Layer, Handler: q}
	var err error
	if q.client, err = sh.Send(id, "OPTIONS", to, m.bytes(), q.on); err != nil {
		answered(to.why(err))
		return
	}
	q.alarm.Set(optionsTime)
}

// cannot is why this node has no way to a trunk's; nil when it has.
func (p *Proxy) cannot(w carrier.Way) error {
	if !fsm.OneHost(w.Addr.Addr()) {
		return errNoHost
	}
	return p.exits.NoWay(w.Transport, w.Addr.Addr())
}

func (q *inquiry) on(res *message.Message, err error) {
	if err == nil && res.Status < 200 || q.answered == nil {
		return
	}
	q.alarm.Stop()
	if err == nil && (res.Status == 503 || res.Status == 408) {
		err = fmt.Errorf("it answers %d", res.Status)
	}
	q.answered(q.to.why(err))
	q.answered = nil
}

// Fire implements transaction.AlarmHandler.
func (q *inquiry) Fire(uint8) {
	q.client.Terminate()
	q.answered(errSilent)
	q.answered = nil
}
