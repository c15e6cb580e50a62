// Package outcome is what became of a request that failed, as a value: whether
// its change was applied. Nodes attach it to the gRPC status as a
// google.rpc.ErrorInfo, clients read it from there, and derive it from the code
// where no node said it: the connection was lost, or the node is an older one.
package outcome

import (
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Domain is that of every ErrorInfo of a node's client ports.
const Domain = "sipcluster"

// Reason is the reason of the ErrorInfo.
type Reason string

// The reasons. A client that does not know one treats it as Unknown.
const (
	// Unknown: the change may have been applied, or may be still. Read before
	// repeating it, or repeat it under the same request id.
	Unknown Reason = "UNKNOWN_OUTCOME"
	// NotApplied: nothing was changed, and nothing will be.
	NotApplied Reason = "NOT_APPLIED"
	// PartlyApplied: of an import, Info.Written mutations were applied and the rest was not.
	PartlyApplied Reason = "PARTLY_APPLIED"
)

// Info is what an ErrorInfo says.
type Info struct {
	Reason Reason
	// Mutation is the one that was refused, counted from 1 as the client sent
	// them; 0 when it was none, or the request as a whole.
	Mutation int
	// Written counts the mutations of an import that were applied.
	Written uint64
	// Leader is the TCport of the node that has to be asked instead; "" when it is
	// not about that.
	Leader string
}

// Keys of the ErrorInfo's metadata.
const (
	keyMutation = "mutation"
	keyWritten  = "written"
	keyLeader   = "leader"
)

// Status makes the error that a client gets.
func (i Info) Status(code codes.Code, text string) error {
	info := &errdetails.ErrorInfo{Domain: Domain, Reason: string(i.Reason), Metadata: map[string]string{}}
	if i.Mutation > 0 {
		info.Metadata[keyMutation] = strconv.Itoa(i.Mutation)
	}
	if i.Written > 0 {
		info.Metadata[keyWritten] = strconv.FormatUint(i.Written, 10)
	}
	if i.Leader != "" {
		info.Metadata[keyLeader] = i.Leader
	}
	s, err := status.New(code, text).WithDetails(info)
	if err != nil {
		return status.Error(code, text)
	}
	return s.Err()
}

// Said returns what a node said of an error; false when it is no node's error,
// or an older node's.
func Said(err error) (Info, bool) {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == Domain {
			return read(info), true
		}
	}
	return Info{}, false
}

func read(info *errdetails.ErrorInfo) Info {
	i := Info{Reason: Unknown, Leader: info.GetMetadata()[keyLeader]}
	switch r := Reason(info.GetReason()); r {
	case NotApplied, PartlyApplied:
		i.Reason = r
	}
	i.Mutation, _ = strconv.Atoi(info.GetMetadata()[keyMutation]) // 0 when it is no number
	i.Written, _ = strconv.ParseUint(info.GetMetadata()[keyWritten], 10, 64)
	return i
}

// Of returns what is known after a request failed with err: what the node said,
// otherwise what the code means.
func Of(err error) Info {
	if i, ok := Said(err); ok {
		return i
	}
	return Info{Reason: OfCode(status.Code(err))}
}

// OfCode returns what a gRPC code alone means: a refusal before anything was
// done, or Unknown. Deadlines, lost connections and faults say nothing of
// a request that may have arrived.
func OfCode(code codes.Code) Reason {
	switch code {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.Unauthenticated,
		codes.FailedPrecondition, codes.OutOfRange, codes.ResourceExhausted, codes.Unimplemented:
		return NotApplied
	}
	return Unknown
}
