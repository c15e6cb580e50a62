package workload

import (
	"context"
	"strconv"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// Sample is somebody who calls DNs one after the other when all is quiet, by way of one node,
// in whose site he stands. What the phones of Phone get they answer at once.
type Sample struct {
	*Site
	DN, Password string
	Node         *cluster.Node
	DNs          []string
}

// Run calls all of them.
func (w *Sample) Run(ctx context.Context) error {
	place := w.Node.Phones()
	var u *siptest.UA
	err := place.Visit(func() (err error) {
		u, err = siptest.NewUA(siptest.Config{
			DN: w.DN, Password: w.Password, Domain: w.Realm, Local: place.IP().String(), Server: w.Node.Addr(cluster.SIP).String(),
		})
		return err
	})
	if err != nil {
		return err
	}
	defer u.Close()
	for _, n := range w.DNs {
		if ctx.Err() != nil {
			break
		}
		w.place(ctx, u, n)
	}
	return nil
}

// place makes a call. The INVITE has the number of the operation, by which the phone tells
// that it came (heard).
func (w *Sample) place(ctx context.Context, u *siptest.UA, number string) {
	op := w.Record.Invoke(history.Op{Kind: history.Sample, Process: "sample-" + w.DN, Node: w.Node.Name(), Home: w.Node.Name(), Key: number, From: w.DN})
	ctx, cancel := patience(ctx, outOfDialogWithin)
	defer cancel()
	c, err := u.Place(ctx, "sip:"+number+"@"+w.Realm, outOfDialogHeader+": "+strconv.FormatInt(op.ID, 10))
	if err != nil {
		w.Record.Return(answered(op, nil, err, success))
		return
	}
	op.Arg = c.ID
	res, err := final(ctx, c)
	if err != nil {
		c.Cancel()
	}
	w.Record.Return(answered(op, res, err, func(code int) bool { return code == 501 || code == 480 }))
}
