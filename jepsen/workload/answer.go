package workload

import (
	"strconv"

	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// answered is the operation with the final response to it, which says by its code
// whether it was done; unknown without one.
func answered(op history.Op, res *siptest.Response, err error, done func(code int) bool) history.Op {
	if err != nil {
		op.Outcome, op.Error = history.Unknown, err.Error()
		return op
	}
	op.Outcome, op.Code = history.OK, strconv.Itoa(res.Code)
	if !done(res.Code) {
		op.Outcome, op.Error, op.Later = history.Fail, res.Reason, res.Header("Retry-After") != ""
	}
	return op
}

func is200(code int) bool { return code == 200 }

func success(code int) bool { return code < 300 }
