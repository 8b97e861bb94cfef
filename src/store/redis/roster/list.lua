-- Lists all members.

return answer('members', epoch, told(members('')))
