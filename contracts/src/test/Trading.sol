// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

// What a market meets among strangers' contracts. For tests.

/// Says what it is as ERC-165 asks for it, and never ends when it is asked anything else.
contract LoopingToken {
    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x80ac58cd || id == 0x2a55205a;
    }

    fallback() external {
        assembly {
            for {} 1 {} {}
        }
    }
}

/// An ERC-721 as far as a seller of all its tokens needs one. Its royalty is five per cent, and it has none to tell for
/// tokens that there are not: token 0 is one of those.
contract PickyRoyalty {
    address private immutable holder;
    address private immutable receiver;

    constructor(address holder_, address receiver_) {
        (holder, receiver) = (holder_, receiver_);
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x80ac58cd || id == 0x2a55205a;
    }

    function ownerOf(uint256) external view returns (address) {
        return holder;
    }

    function getApproved(uint256) external pure returns (address) {
        return address(0);
    }

    function isApprovedForAll(address, address) external pure returns (bool) {
        return true;
    }

    function royaltyInfo(uint256 id, uint256 price) external view returns (address, uint256) {
        require(id != 0, "no such token");
        return (receiver, price / 20);
    }
}

/// An ERC-20 whose allowance goes from an amount to another one only by way of zero, as that of USDT.
contract StubbornERC20 {
    uint8 public constant decimals = 6;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Approval(address indexed owner, address indexed spender, uint256 amount);
    event Transfer(address indexed from, address indexed to, uint256 amount);

    constructor(address holder, uint256 amount) {
        balanceOf[holder] = amount;
        emit Transfer(address(0), holder, amount);
    }

    function approve(address spender, uint256 amount) external {
        require(amount == 0 || allowance[msg.sender][spender] == 0, "approve 0 first");
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}
